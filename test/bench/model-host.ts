/*
 * Rows per second through the model host ÷ onnxruntime in process (P4): the 16-64-64-32-4 perceptron at batch 128.
 * Rounds are interleaved; the figure is the ratio of medians. The reference runs in a process of its own, so that neither
 * leaves the other its garbage. It needs one core and the gateway two, so that whatever else runs lowers the ratio on a
 * machine of two: how much that was is printed, and the ratio over the rounds in which it was little is given besides.
 * Run: node test/bench/model-host.ts [rows per round]
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInference } from '../../gateway/inference/index.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { writeBundle } from '../inference/bundles.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';
import { mlpModel } from '../support/onnx.ts';
import { cpuMicroseconds, machineMicroseconds } from './processes.ts';

const ROWS = Number(process.argv[2] ?? 3_000_000);
const ROUNDS = 7;
/** Rounds before them: compilers and estimates settle within seconds. */
const WARM_UP = 3;
const BATCH = 128;
const COLUMNS = 16;
/** Calls outstanding: what several pipelines have together. */
const CALLS = 160;
const PIPELINES = 4;
/** A round counts as undisturbed when the rest of the machine used less than this part of one core meanwhile. */
const LITTLE = 0.2;

const reference = process.argv.indexOf('--reference');
if (reference > 0) await serveReference(process.argv[reference + 1]!);
else await bench();

/** Runs a round for each message, in process, and answers with rows per second. */
async function serveReference(file: string): Promise<void> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const data = Float32Array.from({ length: BATCH * COLUMNS }, (_, i) => Math.sin(i));
  const input = new Tensor('float32', data, [BATCH, COLUMNS]);
  process.on('message', async () => {
    const begin = performance.now();
    const cpu = cpuMicroseconds(process.pid);
    for (let done = 0; done < ROWS; done += BATCH) await session.run({ input });
    const rate = ROWS / ((performance.now() - begin) / 1000);
    process.send?.({ rate, cpu: (cpuMicroseconds(process.pid) - cpu) / ROWS });
  });
}

async function bench(): Promise<void> {
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
  const child = fork(import.meta.filename, [String(ROWS), '--reference', join(folder, 'model.onnx')]);

  const windows = Array.from({ length: BATCH }, (_, i) =>
    Float64Array.from({ length: COLUMNS }, (_, c) => Math.sin(i * COLUMNS + c)),
  );
  const batch = { rows: 1, columns: COLUMNS, windows };
  const inProcess = (): Promise<{ readonly rate: number; readonly cpu: number }> =>
    new Promise((resolve) => {
      child.once('message', (message) => resolve(message as { rate: number; cpu: number }));
      child.send('round');
    });

  async function throughHost(): Promise<number> {
    const begin = performance.now();
    let left = Math.ceil(ROWS / BATCH);
    const caller = async (): Promise<void> => {
      while (left-- > 0) {
        const { failures } = await inference.run('mlp', batch, { account: `pipeline/${left % PIPELINES}` });
        if (failures.length > 0) throw new Error(failures[0]!.message);
      }
    };
    await Promise.all(Array.from({ length: CALLS }, caller));
    return ROWS / ((performance.now() - begin) / 1000);
  }

  const median = (values: readonly number[]): number =>
    [...values].sort((a, b) => a - b)[values.length >> 1]!;

  /** What a round gives, and which part of a core everything else took while it ran. */
  async function watched<T>(
    round: () => Promise<T>,
    ours: () => number,
  ): Promise<{ made: T; others: number }> {
    const begin = performance.now();
    const before = machineMicroseconds() - ours();
    const made = await round();
    return {
      made,
      others: (machineMicroseconds() - ours() - before) / ((performance.now() - begin) * 1000),
    };
  }

  for (let round = 0; round < WARM_UP; round++) {
    await inProcess();
    await throughHost();
  }
  const theirs: number[] = [];
  const ours: number[] = [];
  const quiet: { readonly theirs: number[]; readonly ours: number[] } = { theirs: [], ours: [] };
  const spents: { readonly inProcess: number; readonly host: number; readonly core: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const reference = await watched(inProcess, () => cpuMicroseconds(child.pid!));
    const { rate, cpu } = reference.made;
    theirs.push(rate);
    const { pid } = inference.stats().host;
    const before = process.cpuUsage();
    const hostBefore = cpuMicroseconds(pid!);
    const hosted = await watched(throughHost, () => cpuMicroseconds(pid!) + cpuMicroseconds(process.pid));
    ours.push(hosted.made);
    if (reference.others < LITTLE) quiet.theirs.push(rate);
    if (hosted.others < LITTLE) quiet.ours.push(hosted.made);
    const used = process.cpuUsage(before);
    // CPU time tells what a machine with a core for each would do, whatever else runs on this one.
    const spent = {
      inProcess: cpu,
      host: (cpuMicroseconds(pid!) - hostBefore) / ROWS,
      core: (used.user + used.system) / ROWS,
    };
    spents.push(spent);
    const each = Object.entries(spent).map(([name, value]) => `${name} ${value.toFixed(3)}`);
    console.log(
      `round ${round + 1}: in process ${Math.round(rate)} rows/s, host ${Math.round(hosted.made)} rows/s; CPU µs/row: ${each.join(', ')}; cores taken by others: ${reference.others.toFixed(2)}, ${hosted.others.toFixed(2)}`,
    );
  }
  const ratio = median(ours) / median(theirs);
  const undisturbed = Math.min(quiet.ours.length, quiet.theirs.length);
  const cpuRatio = median(spents.map(({ inProcess, host, core }) => inProcess / Math.max(host, core)));
  const stats = inference.stats().models['mlp@1']!;
  console.log(
    JSON.stringify({
      goal: 'P4',
      node: process.version,
      cores: cpus().length,
      load: loadavg()[0],
      inProcess: theirs.map(Math.round),
      host: ours.map(Math.round),
      meanBatch: stats.items / stats.runs,
      ratio: Number(ratio.toFixed(3)),
      cpuRatio: Number(cpuRatio.toFixed(3)),
      undisturbed,
      ...(undisturbed >= 3
        ? { undisturbedRatio: Number((median(quiet.ours) / median(quiet.theirs)).toFixed(3)) }
        : {}),
    }),
  );
  await inference.stop();
  child.kill();
  rmSync(dir, { recursive: true });
}
