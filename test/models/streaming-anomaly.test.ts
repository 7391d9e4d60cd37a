import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readBundle } from '../../gateway/inference/bundle.ts';
import { verifyBundle } from '../../gateway/inference/verify.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { Detector, scores } from '../../models/streaming-anomaly-2/detector.ts';
import { labelledSeries } from '../../models/streaming-anomaly-2/generate.ts';
import { STATE } from '../../models/streaming-anomaly-2/graph.ts';
import { WARM_UP, WINDOW } from '../../models/streaming-anomaly-2/settings.ts';
import { seededRandom } from '../../models/training/random.ts';
import { recordingLog } from '../support/log.ts';

const SEED = 20261122;
const folder = join(import.meta.dirname, '../../models/streaming-anomaly-2');
const { InferenceSession, Tensor } = await import('onnxruntime-node');

/** The model over a batch of devices: scores per step. */
async function runner(batch: number) {
  const session = await InferenceSession.create(join(folder, 'model.onnx'), { intraOpNumThreads: 1 });
  onTestFinished(() => session.release());
  let state = Object.fromEntries(
    STATE.map(({ input, shape }) => {
      const data = new Float32Array(batch * shape.reduce((a, b) => a * b, 1));
      return [input, new Tensor('float32', data, [batch, ...shape.slice(1)])];
    }),
  );
  return async (windows: readonly Float32Array[]): Promise<Float32Array> => {
    const data = Float32Array.from(windows.flatMap((window) => Array.from(window)));
    const answer = await session.run({ ...state, input: new Tensor('float32', data, [batch, WINDOW]) });
    state = Object.fromEntries(
      STATE.map(({ input, output }) => [input, answer[output] as (typeof state)[string]]),
    );
    return answer.score!.data as Float32Array;
  };
}

/** An ordinary sensor. */
function ordinary(length: number): Float32Array {
  const random = seededRandom(SEED);
  return Float32Array.from({ length }, (_, i) => 20 + 3 * Math.sin(i / 11) + 0.3 * random.normal());
}

test('its golden samples are right on this machine, its state is small, its card is its manifest', async () => {
  const options = { clock: systemClock(), log: recordingLog(), signal: AbortSignal.timeout(20_000) };
  const { bundle, samples } = await verifyBundle(folder, options);
  expect(samples).toBe(2);
  const floats = bundle.manifest.state.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  expect(floats * 4).toBeLessThanOrEqual(20_000);
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  const { card } = readBundle(folder).manifest;
  for (const text of [card!.intendedUse, card!.limits]) expect(readme).toContain(text);
});

test('the graph is the arithmetic, and devices of one batch do not touch each other', async () => {
  const random = seededRandom(SEED);
  const devices = [0, 2, 5].map((kind) => ({
    values: labelledSeries(random, kind).values.subarray(400),
    detector: new Detector(),
  }));
  const run = await runner(devices.length);
  let worst = 0;
  let loudest = 0;
  for (let i = 0; i < 700; i++) {
    const windows = devices.map(({ values }) => values.subarray(i, i + WINDOW));
    const found = await run(windows);
    for (const [device, { detector }] of devices.entries()) {
      const expected = detector.step(windows[device]!);
      worst = Math.max(worst, Math.abs(found[device]! - expected));
      loudest = Math.max(loudest, expected);
    }
  }
  expect(loudest).toBeGreaterThan(0.4);
  expect(worst).toBeLessThan(1e-3);
});

test('it is quiet after a start, whatever the sensor does', () => {
  const random = seededRandom(SEED);
  for (let kind = 0; kind < 9; kind++) {
    const { values } = labelledSeries(random, kind);
    const start = scores(values.subarray(0, WINDOW + WARM_UP - 1));
    expect(Math.max(...start)).toBe(0);
  }
});

test('it reports a fault when it begins, not as long as it lasts', () => {
  const values = ordinary(900).map((value, i) => (i >= 800 ? value + 15 : value));
  const found = scores(values);
  expect(Math.max(...found.subarray(0, 800))).toBeLessThan(0.9);
  const alarms = Array.from(found.keys()).filter((i) => found[i]! >= 0.9);
  expect(alarms[0]).toBeLessThan(805);
  expect(alarms.length).toBeLessThan(5);
});

test('neither a reading that is no number nor an absurd one spoils it', async () => {
  const values = ordinary(520);
  values[400] = Number.NaN;
  values[401] = 3e38;
  values[402] = Number.NEGATIVE_INFINITY;
  const run = await runner(1);
  for (let i = 0; i + WINDOW <= values.length; i++) {
    const [score] = await run([values.subarray(i, i + WINDOW)]);
    expect(score).toBeGreaterThanOrEqual(0);
    expect(score).toBeLessThanOrEqual(1);
  }
});
