import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startDevChain } from '../../adapters/devchain/index.ts';
import type { Report } from '../../gateway/benchmark/report.ts';
import { signReport } from '../../gateway/benchmark/signature.ts';
import { createKeystore, openKeystore } from '../../gateway/billing/keys/keystore.ts';
import { runCli } from '../../gateway/commands/cli.ts';
import { recordingLog } from '../support/log.ts';
import { recordingTerminal } from '../support/terminal.ts';
import { temporaryFolder } from '../support/tmp.ts';

async function run(folder: string, ...argv: string[]) {
  const terminal = recordingTerminal(folder);
  return { code: await runCli(argv, terminal), out: terminal.out(), err: terminal.err() };
}

/** A folder with the configuration of one gateway, its device key funded. */
async function gateway(
  chain: Awaited<ReturnType<typeof startDevChain>>,
  location: { latitude: number; longitude: number },
) {
  const folder = temporaryFolder();
  const paths = await createKeystore(join(folder, 'keys'));
  const { rpcUrl, chainId, addresses } = chain;
  const settings = { rpcUrl, chainId, ...paths, token: addresses.token };
  const config = { gateway: { location }, billing: { chain: settings } };
  writeFileSync(join(folder, 'gateway.yaml'), JSON.stringify(config));
  const signer = await openKeystore(paths);
  await chain.fund(signer.address);
  return { folder, signer };
}

const result = (p90: number): Report['models'][number]['scenarios'][number] => ({
  scenario: 'SingleStream',
  queries: 10,
  samples: 10,
  failed: 0,
  seconds: 1,
  throughput: 10,
  latency: { mean: 1, p50: 1, p90, p99: 3, max: 4, curve: [] },
});

const report = (board: string, p90: number): Report => ({
  format: 'aimx-bench/1',
  createdAt: '2026-06-01T12:00:00.000Z',
  gateway: '0.1.0',
  machine: { board, cpu: 'c', cores: 2, memoryBytes: 1, system: 's', node: '24', governor: '', load: 0 },
  settings: { seconds: 1, seed: 1, latencyBoundMs: 20, multiStreamSamples: 8 },
  models: [
    {
      model: { name: 'm', version: '1.0.0', sha256: 'ab'.repeat(32) },
      runtime: 'onnx',
      loadMs: 1,
      inputs: 'seeded',
      scenarios: [result(p90)],
    },
  ],
});

it('finds the nearest gateway that is ready, and puts benchmark results of strangers side by side', async () => {
  const folder = temporaryFolder();
  const chain = await startDevChain({ dir: join(folder, 'chain'), port: 0, log: recordingLog() });
  const ready = createServer((_, response) => void response.end()).listen(0, '127.0.0.1');
  try {
    await new Promise((resolve) => ready.once('listening', resolve));
    const endpoint = `http://127.0.0.1:${(ready.address() as AddressInfo).port}`;
    const munich = await gateway(chain, { latitude: 48.137, longitude: 11.575 });
    const berlin = await gateway(chain, { latitude: 52.52, longitude: 13.405 });
    const publish = (of: { folder: string }, ...argv: string[]) =>
      run(of.folder, 'directory', 'publish', '--models', 'detector@1.0.0', ...argv);
    expect(await publish(munich, '--endpoint', 'ftp://x')).toMatchObject({ code: 2 });
    expect(await publish(munich, '--endpoint', 'http://127.0.0.1:9')).toMatchObject({ code: 0 });
    expect(await publish(berlin, '--endpoint', endpoint, '--precision', '6')).toMatchObject({ code: 0 });

    const list = async (...argv: string[]) => {
      const { code, out } = await run(munich.folder, 'directory', 'list', '--json', ...argv);
      return { code, gateways: JSON.parse(out) as { endpoint: string; km: number; state?: string }[] };
    };
    const near = await list('--model', 'detector');
    expect(near.gateways.map(({ endpoint: at }) => at)).toEqual(['http://127.0.0.1:9', endpoint]);
    expect(near.gateways[0]!.km).toBeLessThan(4);
    expect(near.gateways[1]!.km).toBeCloseTo(504, -1);
    expect((await list('--near', '52.5,13.4')).gateways[0]!.endpoint).toBe(endpoint);
    expect(await list('--model', 'other')).toEqual({ code: 0, gateways: [] });
    expect(await list('--min-bond', '1', '--ready')).toEqual({ code: 1, gateways: [] });
    // The nearest does not answer, so the next is taken.
    const found = await list('--ready');
    expect(found.gateways[0]).toMatchObject({ endpoint, state: 'ready' });
    expect(found.gateways[1]!.state).not.toBe('ready');
    expect((await run(munich.folder, 'directory', 'list')).out).toContain(endpoint);
    expect(await run(munich.folder, 'directory', 'list', '--near', '91,0')).toMatchObject({ code: 2 });

    expect(await run(munich.folder, 'directory', 'delist')).toMatchObject({ code: 0 });
    expect(await run(munich.folder, 'directory', 'delist')).toMatchObject({
      code: 1,
      err: expect.stringContaining('NotListed'),
    });
    expect((await list()).gateways).toHaveLength(1);

    for (const [of, board, p90] of [
      [munich, 'slow board', 9.5],
      [berlin, 'fast board', 2.25],
    ] as const) {
      const file = join(of.folder, 'report.json');
      writeFileSync(file, JSON.stringify(report(board, p90)));
      expect(await run(of.folder, 'bench', 'publish', file)).toMatchObject({
        code: 1,
        err: expect.stringContaining('BENCH_REPORT'),
      });
      writeFileSync(file, JSON.stringify(signReport(report(board, p90), of.signer)));
      expect(await run(of.folder, 'bench', 'publish', file)).toMatchObject({ code: 0 });
      expect(await run(of.folder, 'bench', 'publish', file)).toMatchObject({
        code: 1,
        err: expect.stringContaining('StaleResult'),
      });
    }
    const listed = JSON.parse((await run(munich.folder, 'bench', 'list', 'abab', '--json')).out);
    expect(listed).toMatchObject([
      { board: 'fast board', score: 2.25, metric: 'p90 ms', device: berlin.signer.address },
      { board: 'slow board', score: 9.5 },
    ]);
    expect((await run(munich.folder, 'bench', 'list')).out).toContain('fast board');
    expect(await run(munich.folder, 'bench', 'list', 'nonsense')).toMatchObject({ code: 2 });
  } finally {
    ready.close();
    await chain.stop();
  }
});
