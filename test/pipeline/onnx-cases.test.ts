import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fromHalf } from '../../gateway/inference/host/cast.ts';
import { createOnnxRunner } from '../../gateway/inference/runners/onnx.ts';
import { createIntake } from '../../gateway/ingest/index.ts';
import type { Datatype, Tensor } from '../../gateway/ports/tensor.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { writeBundle } from '../inference/bundles.ts';
import { startInference } from '../inference/service.ts';
import { testData } from '../support/data.ts';
import { expectClose, namedTensors } from '../support/onnx-cases.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { contents, openedStream, parseConfig, startPipelines, storeFor } from './harness.ts';

const data = testData('onnx', 'node');

/** A name of a bundle has at most 64 characters. */
const nameOf = (folder: string): string => folder.toLowerCase().slice(-60).replace(/^_+/, '');

/** A tensor as a device would write it: a list, 64-bit integers with all digits, what is not finite by its name. */
function json({ datatype, data: values }: Tensor): string {
  if (datatype === 'BYTES')
    return JSON.stringify((values as readonly Uint8Array[]).map((bytes) => new TextDecoder().decode(bytes)));
  const texts = Array.from(values as Iterable<number | bigint>, (value) => {
    if (typeof value === 'bigint') return String(value);
    const number = datatype === 'FP16' ? fromHalf(value) : value;
    if (datatype === 'BOOL') return String(number !== 0);
    return Number.isFinite(number) ? String(number) : `"${number}"`;
  });
  return `[${texts.join(',')}]`;
}

/** The reverse of {@link json} for one output of a result. */
function tensorOf(found: unknown, { datatype, shape }: Tensor): Tensor {
  const values = Array.isArray(found) ? found : [found];
  const numbers = (): number[] => values.map((value) => Number(value));
  const of: Readonly<Record<Datatype, () => Tensor['data']>> = {
    BOOL: () => Uint8Array.from(values, (value) => (value === true ? 1 : 0)),
    UINT8: () => Uint8Array.from(numbers()),
    UINT16: () => Uint16Array.from(numbers()),
    UINT32: () => Uint32Array.from(numbers()),
    UINT64: () => BigUint64Array.from(values, BigInt),
    INT8: () => Int8Array.from(numbers()),
    INT16: () => Int16Array.from(numbers()),
    INT32: () => Int32Array.from(numbers()),
    INT64: () => BigInt64Array.from(values, BigInt),
    FP16: () => new Uint16Array(Float16Array.from(numbers()).buffer),
    FP32: () => Float32Array.from(numbers()),
    FP64: () => Float64Array.from(numbers()),
    BYTES: () => values.map((text) => new TextEncoder().encode(String(text))),
  };
  return { datatype, shape, data: of[datatype]() };
}

/** Whole numbers beyond 2^53 as bigint. */
const parseExact = (text: string): { outputs: Record<string, unknown> } =>
  JSON.parse(text, (_, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? BigInt(context!.source!)
      : value,
  );

test.skipIf(!data)('the ONNX backend tests through a stream and a pipeline each, as JSON', async () => {
  const dir = temporaryFolder();
  const runner = createOnnxRunner();
  const folders = readdirSync(data!).filter((name) => name.startsWith('test_'));
  const streams: object[] = [];
  const pipelines: object[] = [];
  const cases: { id: string; folder: string; payload: string; outputs: Record<string, Tensor> }[] = [];
  for (const [n, folder] of folders.entries()) {
    const model = join(data!, folder, 'model.onnx');
    const { inputs, outputs, dispose } = await runner.load(model);
    const set = join(data!, folder, 'test_data_set_0');
    const names = (specs: typeof inputs): string[] => specs.map((spec) => spec.name);
    const manifest = {
      inputs: inputs.map((spec) => ({ ...spec, from: 'request' })),
      outputs,
      limits: { maxBatch: 1 },
    };
    writeBundle(dir, { name: nameOf(folder), model, manifest });
    const given = Object.entries(namedTensors(set, 'input', names(inputs)));
    const fields = inputs.map(({ name, datatype }) => [name, { type: 'tensor', datatype }]);
    const id = `case-${n}`;
    // A reading needs a value, also for a model that takes none.
    streams.push({ id, fields: Object.fromEntries(fields.length > 0 ? fields : [['none', {}]]) });
    pipelines.push({ id: `p-${id}`, from: id, window: { count: 1 }, model: nameOf(folder) });
    const members = given.map(([name, tensor]) => `${JSON.stringify(name)}:${json(tensor)}`);
    const payload = `{${members.length > 0 ? members.join(',') : '"none":0'}}`;
    cases.push({ id, folder, payload, outputs: namedTensors(set, 'output', names(outputs)) });
    await dispose();
  }
  expect(cases.length).toBeGreaterThan(100);
  const config = parseConfig({ streams, pipelines });
  const { inference } = await startInference(dir);
  const opened = await storeFor(temporaryFolder(), config, systemClock() as never);
  onTestFinished(() => opened.store.stop());
  const { store, readingStreams, clock, log } = opened;
  const intake = createIntake({ config, store, streams: readingStreams, clock, log });
  const running = await startPipelines(config, opened, inference);
  onTestFinished(() => running.stop());
  await Promise.all(
    cases.map(
      ({ id, payload }) =>
        new Promise<void>((resolve, reject) =>
          intake.offer({ door: 'mqtt', address: `aimx/s/${id}/d`, payload: Buffer.from(payload) }, (made) =>
            made.kind === 'stored' ? resolve() : reject(new Error(`${id}: ${JSON.stringify(made)}`)),
          ),
        ),
    ),
  );
  const done = (): boolean => running.stats().every(({ results, errors }) => results + errors === 1);
  await until(done, 'an answer to each reading', 25_000);
  for (const { id, folder, outputs } of cases) {
    const rejected = await contents(openedStream(store, `$rejected/pipeline-p-${id}`));
    if (rejected.length > 0) expect.fail(`${folder}: ${rejected[0]!.value}`);
    const [result] = await contents(openedStream(store, `$result/p-${id}`));
    const found = parseExact(result!.value).outputs;
    for (const [name, expected] of Object.entries(outputs))
      expectClose(tensorOf(found[name], expected), expected, `${folder}: ${name}`);
  }
});
