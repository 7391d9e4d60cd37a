/**
 * The nine `onnx/light` networks together through HTTP: every answer must be the expected one.
 *
 *     AIMX_TEST_DATA=../shared/data node test/bench/light-models.ts --clients 8 --rounds 2
 *
 * Prints what each took, and the memory of the core and of the model host at its highest. With `--only light_squeezenet`
 * in place of all.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeBundle } from '../inference/bundles.ts';
import { difference } from '../serving/cases.ts';
import { answerOf, requestOf } from '../serving/wire.ts';
import { testData } from '../support/data.ts';
import { freePorts, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { readTensor } from '../support/onnx.ts';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});
const data = testData('onnx', 'light');
if (!data) process.exit(2);
const names = readdirSync(data)
  .filter((file) => file.endsWith('.onnx'))
  .map((file) => file.slice(0, -5))
  .filter((name) => values.only === undefined || name === values.only);

/** The input of the ONNX light tests: 0, 1/n, 2/n … in row-major order. */
const PIXELS = Float32Array.from({ length: 3 * 224 * 224 }, (_, i) => i / (3 * 224 * 224));
const folder = mkdtempSync(join(tmpdir(), 'aimx-light-'));
const expected = new Map(
  names.map((name) => [name, readTensor(readFileSync(join(data, `${name}_output_0.pb`))).tensor]),
);
const { createOnnxRunner } = await import('../../gateway/inference/runners/onnx.ts');
const runner = createOnnxRunner();
const inputs = new Map<string, string>();
for (const name of names) {
  const model = join(data, `${name}.onnx`);
  const loaded = await runner.load(model);
  inputs.set(name, loaded.inputs[0]!.name);
  writeBundle(join(folder, 'data/models'), {
    name,
    model,
    manifest: {
      inputs: loaded.inputs.map((spec) => ({ ...spec, from: 'request' })),
      outputs: loaded.outputs,
      limits: { maxBatch: 1, deadline: '5m', maxRun: '1m' },
    },
  });
  await loaded.dispose();
}
const ports = await freePorts();
writeConfig(folder, ports, { gateway: { name: 'light', dataDir: './data' }, serving: { deadline: '5m' } });
const gateway = await startGatewayProcess(folder, ports);
let failures = 0;
try {
  const queue = Array.from({ length: Number(values.rounds) }, () => names).flat();
  const worker = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const tensor = { datatype: 'FP32', shape: [1, 3, 224, 224], data: PIXELS } as const;
      const { body, headerBytes } = requestOf(name, { [inputs.get(name)!]: tensor }, { binary: true });
      const begun = performance.now();
      const response = await fetch(`http://127.0.0.1:${ports.http}/v2/models/${name}/infer`, {
        method: 'POST',
        body: new Uint8Array(body),
        headers: { 'inference-header-content-length': String(headerBytes) },
        signal: AbortSignal.timeout(300_000),
      });
      const header = response.headers.get('inference-header-content-length');
      const answer = answerOf(
        Buffer.from(await response.arrayBuffer()),
        header === null ? undefined : Number(header),
      );
      const [output] = Object.values(answer.outputs);
      const wrong = answer.error ?? difference(output, expected.get(name)!, 2e-3);
      if (wrong) failures++;
      console.log(`${name}: ${wrong ?? 'as expected'}, ${Math.round(performance.now() - begun)} ms`);
    }
  };
  await Promise.all(Array.from({ length: Number(values.clients) }, worker));
  const status = await gateway.api<{ modelHost: { pid: number | null } }>('/api/v1/status');
  for (const [what, pid] of [
    ['core', gateway.pid],
    ['model host', status.modelHost.pid],
  ]) {
    if (pid === null) continue;
    const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    console.log(`${what}: peak ${Math.round(Number(peak) / 1024)} MiB`);
  }
} finally {
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
}
console.log(failures === 0 ? 'passed' : `FAILED: ${failures}`);
process.exit(failures === 0 ? 0 : 1);
