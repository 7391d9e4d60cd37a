import { join } from 'node:path';
import { readBundle } from '../../../gateway/inference/bundle.ts';
import { outputsOf } from '../../../gateway/inference/columns.ts';
import { createInference } from '../../../gateway/inference/index.ts';
import type { ModelState } from '../../../gateway/ports/inference.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { recordingAlarms } from '../../support/alarms.ts';
import { recordingLog } from '../../support/log.ts';

export const MODELS = join(import.meta.dirname, '../../../models');

/**
 * Scores of whole series as a gateway gives them: each series is a device, all are read at once in a pipeline's windows
 * `{ count: 64, every: 1 }`, through the model host. Readings before the first full window have no result, so 0.
 */
export async function replay(
  reference: string,
  series: readonly ArrayLike<number>[],
  progress: (done: number) => void = () => undefined,
): Promise<Float64Array[]> {
  const inference = createInference({
    modelDirs: [MODELS],
    clock: systemClock(),
    log: recordingLog(),
    alarms: recordingAlarms(),
    preload: [reference],
  });
  await inference.start(new AbortController().signal);
  try {
    const rows = 64;
    const values = series.map((one) => Float32Array.from(one));
    const scores = series.map((one) => new Float64Array(one.length));
    const states: (ModelState | undefined)[] = series.map(() => undefined);
    const longest = Math.max(...values.map(({ length }) => length));
    for (let end = rows; end <= longest; end++) {
      const devices = values.flatMap(({ length }, device) => (end <= length ? [device] : []));
      const { parts, failures } = await inference.run(
        reference,
        {
          rows,
          columns: 1,
          windows: devices.map((device) => values[device]!.subarray(end - rows, end)),
          states: devices.map((device) => states[device]),
        },
        { account: 'pipeline/nab' },
      );
      if (failures.length > 0) throw new Error(`${failures[0]!.code}: ${failures[0]!.message}`);
      for (const part of parts) {
        for (let i = part.from; i < part.to; i++) {
          const device = devices[i]!;
          scores[device]![end - 1] = Number(outputsOf(part, i - part.from).score);
          states[device] = part.states?.(i - part.from);
        }
      }
      if (end % 1000 === 0) progress(end / longest);
    }
    return scores;
  } finally {
    await inference.stop();
  }
}

/** What one reading of one device costs: CPU microseconds in this process, alone and one at a time; bytes of state. */
export async function cost(folder: string, readings: number): Promise<{ cpuUs: number; stateBytes: number }> {
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const { manifest, modelFile } = readBundle(folder);
  const session = await InferenceSession.create(modelFile, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
  let state = Object.fromEntries(
    manifest.state.map(({ input, shape }) => [
      input,
      new Tensor('float32', new Float32Array(size(shape)), [...shape]),
    ]),
  );
  const name = manifest.inputs.find(({ from }) => from === 'window')!.name;
  const values = Float32Array.from({ length: readings + 64 }, (_, i) => Math.sin(i / 9) + Math.sin(i * i));
  const before = process.cpuUsage();
  for (let i = 0; i < readings; i++) {
    const window = new Tensor('float32', values.subarray(i, i + 64), [1, 64]);
    const answer = await session.run({ ...state, [name]: window });
    state = Object.fromEntries(
      manifest.state.map(({ input, output }) => [input, answer[output] as (typeof state)[string]]),
    );
  }
  const { user, system } = process.cpuUsage(before);
  await session.release();
  const floats = manifest.state.reduce((sum, { shape }) => sum + size(shape), 0);
  return { cpuUs: (user + system) / readings, stateBytes: 4 * floats };
}
