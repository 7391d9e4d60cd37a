/*
 * Dynamic batching of calls with tensors: 64 callers that each wait for their answer, against one, on the perceptron
 * 16-64-64-32-4; and what a flood of such calls does to a pipeline beside it. Prints one JSON object at the end.
 * Run: node test/bench/batching.ts [seconds per round]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInference } from '../../gateway/inference/index.ts';
import type { Tensor } from '../../gateway/ports/tensor.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { writeBundle } from '../inference/bundles.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';
import { mlpModel } from '../support/onnx.ts';
import { median, rounded } from './figure.ts';

const SECONDS = Number(process.argv[2] ?? 3);
const ROUNDS = 5;
const CALLERS = 64;
const COLUMNS = 16;
/** Rows of a call of the flood: ten such callers' worth of what the model can do waits at any time. */
const FLOOD_CALLERS = 640;
/** Windows of the pipeline beside it: one batch each so many milliseconds. */
const PACE_MS = 10;

const quantile = (sorted: readonly number[], q: number): number =>
  rounded(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0);

const dir = mkdtempSync(join(tmpdir(), 'aimx-bench-'));
const sizes = [COLUMNS, 64, 64, 32, 4];
const outputs = [{ name: 'output', datatype: 'FP32', shape: [-1, 4], as: 'scores' }];
const bundle = (name: string, from: 'request' | 'window', layers: readonly number[]) =>
  writeBundle(dir, {
    name,
    model: mlpModel(layers),
    manifest: {
      ...(from === 'window' ? { features: Array.from({ length: COLUMNS }, (_, i) => `f${i}`), rows: 1 } : {}),
      inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, COLUMNS], from }],
      outputs,
    },
  });
bundle('small', 'request', sizes);
bundle('own', 'window', sizes);
// About a hundred times the work: what a flood can overload without making the caller the bottleneck.
bundle('heavy', 'request', [COLUMNS, 1024, 1024, 512, 4]);

const inference = createInference({
  modelDirs: [dir],
  clock: systemClock(),
  log: recordingLog(),
  alarms: recordingAlarms(),
  preload: ['small', 'own', 'heavy'],
});
await inference.start(new AbortController().signal);

const input: Tensor = {
  datatype: 'FP32',
  shape: [1, COLUMNS],
  data: Float32Array.from({ length: COLUMNS }, (_, i) => Math.sin(i)),
};

interface Load {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly codes: Record<string, number>;
}

/** So many callers, each with one call at a time, until the time is over. */
async function drive(model: string, callers: number, ms: number, deadline?: number): Promise<Load> {
  const times: number[] = [];
  const codes: Record<string, number> = {};
  const end = performance.now() + ms;
  const caller = async (i: number): Promise<void> => {
    const account = `consumer/${i}`;
    while (performance.now() < end) {
      const begin = performance.now();
      const request = { inputs: { input }, priority: 'interactive', account } as const;
      const answer = await inference.infer(
        model,
        deadline === undefined ? request : { ...request, deadline },
      );
      if (answer.ok) times.push(performance.now() - begin);
      else {
        codes[answer.code] = (codes[answer.code] ?? 0) + 1;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, i) => caller(i)));
  times.sort((a, b) => a - b);
  return { rate: times.length / (ms / 1000), p50: quantile(times, 0.5), p99: quantile(times, 0.99), codes };
}

/** How long a pipeline's batches take, one every few milliseconds. */
async function pipeline(ms: number): Promise<{ p50: number; p99: number; max: number }> {
  const windows = Array.from({ length: 16 }, () => Float64Array.from({ length: COLUMNS }, Math.random));
  const times: number[] = [];
  const calls: Promise<void>[] = [];
  const end = performance.now() + ms;
  while (performance.now() < end) {
    const begin = performance.now();
    const batch = { rows: 1, columns: COLUMNS, windows };
    calls.push(
      inference.run('own', batch, { account: 'pipeline/bench' }).then(({ failures }) => {
        if (failures.length > 0) throw new Error(failures[0]!.message);
        times.push(performance.now() - begin);
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, PACE_MS));
  }
  await Promise.all(calls);
  times.sort((a, b) => a - b);
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), max: quantile(times, 1) };
}

const ms = SECONDS * 1000;
await drive('small', CALLERS, 500);
const single: Load[] = [];
const many: Load[] = [];
for (let round = 0; round < ROUNDS; round++) {
  single.push(await drive('small', 1, ms / 3));
  many.push(await drive('small', CALLERS, ms / 3));
  console.error(
    `round ${round + 1}: one caller ${Math.round(single.at(-1)!.rate)}/s, ${CALLERS} callers ${Math.round(many.at(-1)!.rate)}/s, p99 ${many.at(-1)!.p99} ms`,
  );
}
const small = inference.stats().models['small@1']!;
const calm = await pipeline(ms);
const capacity = await drive('heavy', CALLERS, ms);
const [flood, flooded] = await Promise.all([drive('heavy', FLOOD_CALLERS, ms, 50), pipeline(ms)]);
console.error(`pipeline alone p99 ${calm.p99} ms, under the flood p99 ${flooded.p99} ms`);
console.log(
  JSON.stringify({
    goal: 'P12',
    node: process.version,
    cores: cpus().length,
    load: loadavg()[0],
    ratio: rounded(median(many.map(({ rate }) => rate)) / median(single.map(({ rate }) => rate))),
    p99: median(many.map(({ p99 }) => p99)),
    single: single.map(({ rate }) => Math.round(rate)),
    many: many.map(({ rate }) => Math.round(rate)),
    meanBatch: rounded(small.items / small.runs),
    overload: {
      capacity: Math.round(capacity.rate),
      answered: Math.round(flood.rate),
      codes: flood.codes,
      pipelineAlone: calm,
      pipelineUnderFlood: flooded,
    },
  }),
);
await inference.stop();
rmSync(dir, { recursive: true });
