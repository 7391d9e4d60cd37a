/*
 * Rows per second through the model host ÷ onnxruntime in process (P4): the 16-64-64-32-4 perceptron at batch 128.
 * Rounds are interleaved; the figure is the ratio of medians.
 * Run: node test/bench/model-host.ts [rows per round]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInference } from '../../gateway/inference/index.ts';
import { createOnnxRunner } from '../../gateway/inference/runners/onnx.ts';
import type { ModelInput } from '../../gateway/ports/inference.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { writeBundle } from '../inference/bundles.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';
import { mlpModel } from '../support/onnx.ts';

const ROWS = Number(process.argv[2] ?? 400_000);
const ROUNDS = 7;
const BATCH = 128;
const COLUMNS = 16;
/** Calls outstanding: what several pipelines have together. */
const CALLS = 48;

const dir = mkdtempSync(join(tmpdir(), 'aimx-bench-'));
const folder = writeBundle(dir, {
  name: 'mlp',
  model: mlpModel([16, 64, 64, 32, 4]),
  manifest: {
    features: Array.from({ length: COLUMNS }, (_, i) => `f${i}`),
    rows: 1,
    inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, COLUMNS], from: 'window' }],
    outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, 4], as: 'scores' }],
    limits: { maxBatch: BATCH },
  },
});
const inference = createInference({
  modelDirs: [dir],
  clock: systemClock(),
  log: recordingLog(),
  alarms: recordingAlarms(),
  preload: ['mlp'],
});
await inference.start(new AbortController().signal);
const direct = await createOnnxRunner().load(join(folder, 'model.onnx'));

const windows = Array.from({ length: BATCH }, (_, i) =>
  Float64Array.from({ length: COLUMNS }, (_, c) => Math.sin(i * COLUMNS + c)),
);
const items: ModelInput[] = windows.map((window) => ({
  window,
  rows: 1,
  columns: COLUMNS,
  state: undefined,
}));
const tensor = {
  datatype: 'FP32',
  shape: [BATCH, COLUMNS],
  data: Float32Array.from(windows.flatMap((window) => [...window])),
} as const;

async function inProcess(): Promise<number> {
  const begin = performance.now();
  for (let done = 0; done < ROWS; done += BATCH) await direct.run({ input: tensor });
  return ROWS / ((performance.now() - begin) / 1000);
}

async function throughHost(): Promise<number> {
  const begin = performance.now();
  let left = Math.ceil(ROWS / BATCH);
  const caller = async (): Promise<void> => {
    while (left-- > 0) {
      const answers = await inference.run('mlp', items);
      if (!answers.every((answer) => answer.ok)) throw new Error('an item failed');
    }
  };
  await Promise.all(Array.from({ length: CALLS }, caller));
  return ROWS / ((performance.now() - begin) / 1000);
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

await inProcess();
await throughHost();
const reference: number[] = [];
const ours: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  reference.push(await inProcess());
  const before = process.cpuUsage();
  ours.push(await throughHost());
  const used = process.cpuUsage(before);
  const core = (used.user + used.system) / ROWS;
  console.log(
    `round ${round + 1}: in process ${Math.round(reference.at(-1)!)} rows/s, host ${Math.round(ours.at(-1)!)} rows/s, core ${core.toFixed(2)} µs/row`,
  );
}
const ratio = median(ours) / median(reference);
const stats = inference.stats().models['mlp@1']!;
console.log(
  JSON.stringify({
    goal: 'P4',
    node: process.version,
    cores: cpus().length,
    load: loadavg()[0],
    inProcess: reference.map(Math.round),
    host: ours.map(Math.round),
    meanBatch: stats.items / stats.runs,
    ratio: Number(ratio.toFixed(3)),
  }),
);
await inference.stop();
await direct.dispose();
rmSync(dir, { recursive: true });
