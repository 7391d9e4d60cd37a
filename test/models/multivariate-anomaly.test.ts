import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readBundle } from '../../gateway/inference/bundle.ts';
import { verifyBundle } from '../../gateway/inference/verify.ts';
import { planColumns } from '../../gateway/pipeline/column-plan.ts';
import type { ModelInfo } from '../../gateway/ports/inference.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { emptyState, step } from '../../models/multivariate-anomaly/detector.ts';
import { evaluate, noCounts, ratesOf } from '../../models/multivariate-anomaly/evaluate.ts';
import { plant } from '../../models/multivariate-anomaly/generate.ts';
import { STATE } from '../../models/multivariate-anomaly/graph.ts';
import { COLUMNS, PARAMETERS } from '../../models/multivariate-anomaly/parameters.ts';
import { seededRandom } from '../../models/training/random.ts';
import { recordingLog } from '../support/log.ts';

const SEED = 20261122;
const folder = join(import.meta.dirname, '../../models/multivariate-anomaly');
const { InferenceSession, Tensor } = await import('onnxruntime-node');

/** The model over rows of one batch of devices, all of the same width: outputs per step. */
async function runner(batch: number) {
  const session = await InferenceSession.create(join(folder, 'model.onnx'), { intraOpNumThreads: 1 });
  onTestFinished(() => session.release());
  let state = Object.fromEntries(
    Object.entries(STATE).map(([name, shape]) => {
      const data = new Float32Array(batch * shape.reduce((a, b) => a * b, 1));
      return [name, new Tensor('float32', data, [batch, ...shape])];
    }),
  );
  return async (rows: readonly ArrayLike<number>[]) => {
    const width = rows[0]!.length;
    const data = Float32Array.from(rows.flatMap((row) => Array.from(row)));
    const answer = await session.run({ ...state, window: new Tensor('float32', data, [batch, 1, width]) });
    state = Object.fromEntries(
      Object.keys(STATE).map((name) => [name, answer[`${name}_next`] as (typeof state)[string]]),
    );
    return { score: answer.score!.data as Float32Array, deviations: answer.deviations!.data as Float32Array };
  };
}

test('its golden samples are right on this machine and its state is small', async () => {
  const options = { clock: systemClock(), log: recordingLog(), signal: AbortSignal.timeout(20_000) };
  const { bundle, samples } = await verifyBundle(folder, options);
  expect(samples).toBe(2);
  const floats = bundle.manifest.state.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  expect(floats * 4).toBeLessThanOrEqual(20_000);
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  expect(readme).toContain(bundle.manifest.card.limits);
});

test('devices of one batch do not touch each other, and the graph is the arithmetic', async () => {
  const random = seededRandom(SEED);
  const width = 5;
  const devices = Array.from({ length: 3 }, () => {
    let made = plant(random, 'step');
    while (made.rows[0]!.length < width) made = plant(random, 'step');
    return { rows: made.rows.map((row) => row.subarray(0, width)), state: emptyState() };
  });
  const length = Math.min(...devices.map(({ rows }) => rows.length));
  const run = await runner(devices.length);
  let alarms = 0;
  let worst = 0;
  for (let t = 0; t < length; t++) {
    const { score, deviations } = await run(devices.map(({ rows }) => rows[t]!));
    for (const [d, { rows, state }] of devices.entries()) {
      const verdict = step(state, rows[t]!);
      worst = Math.max(worst, Math.abs(verdict.score - score[d]!));
      verdict.deviations.forEach((far, i) => {
        worst = Math.max(worst, Math.abs(far - deviations[d * width + i]!) / (1 + Math.abs(far)));
      });
      if (verdict.score >= 0.5) alarms++;
    }
  }
  expect(worst).toBeLessThan(5e-3);
  expect(alarms).toBeGreaterThan(0);
}, 20_000);

test('missing values, sixteen columns, a column that comes later and absurd values are taken', async () => {
  const random = seededRandom(SEED + 1);
  const run = await runner(1);
  for (let t = 0; t < 900; t++) {
    const row = Float32Array.from({ length: COLUMNS }, (_, i) => 10 * i + random.normal());
    if (t < 450) row[3] = Number.NaN;
    if (t % 7 === 0) row[5] = Number.NaN;
    const { score, deviations } = await run([row]);
    expect([...score, ...deviations].every(Number.isFinite)).toBe(true);
    expect(score[0], `reading ${t}`).toBeLessThan(0.5);
  }
  const wild = new Float32Array(COLUMNS).fill(3e38);
  wild[0] = Number.NEGATIVE_INFINITY;
  for (let t = 0; t < 5; t++) {
    const { score } = await run([wild]);
    expect(score[0]).toBeGreaterThanOrEqual(0.5);
    expect(score[0]).toBeLessThanOrEqual(1);
  }
  const many = await runner(1);
  await expect(many([new Float32Array(COLUMNS + 1)])).rejects.toThrow();
}, 20_000);

test('a fault of a generated plant is an alarm, and little else is', () => {
  const random = seededRandom(SEED + 2);
  const counts = noCounts();
  const noticed = Array.from({ length: 12 }, () => evaluate(plant(random, 'step'), counts)).filter(Boolean);
  expect(noticed.length).toBeGreaterThanOrEqual(6);
  expect(ratesOf(counts).FAR).toBeLessThan(0.15);
  const calm = emptyState();
  const alarms = Array.from({ length: 2000 }, (_, t) => {
    const load = Math.sin(t / 30);
    return step(calm, [load + random.normal(), 2 * load + random.normal(), random.normal()]).score >= 0.5;
  });
  expect(alarms.slice(PARAMETERS.learn).filter(Boolean).length).toBeLessThan(40);
});

test('a pipeline gives it all numeric fields, or those that it names', () => {
  const { manifest } = readBundle(folder);
  const model = {
    name: manifest.name,
    features: [],
    rows: 1,
    columns: manifest.columns,
  } as unknown as ModelInfo;
  const stream = (id: string, fields: Record<string, unknown>) => ({ id, decode: 'json', fields }) as never;
  const pipeline = (more: object) => ({ id: 'p', window: { count: 1, every: 1 }, ...more }) as never;
  const pump = stream('pump', {
    flow: { type: 'number' },
    current: { type: 'number' },
    note: { type: 'string' },
  });
  const tank = stream('tank', { level: { type: 'number' } });
  expect(planColumns(pipeline({ from: 'pump' }), model, [pump]).names).toEqual(['flow', 'current']);
  expect(planColumns(pipeline({ from: ['pump', 'tank'] }), model, [pump, tank]).names).toEqual([
    'pump.flow',
    'pump.current',
    'tank.level',
  ]);
  const chosen = pipeline({ from: 'pump', fields: ['current', 'flow'] });
  expect(planColumns(chosen, model, [pump]).names).toEqual(['current', 'flow']);
  expect(() => planColumns(pipeline({ from: 'tank' }), model, [tank])).toThrow('gives 1 columns');
});
