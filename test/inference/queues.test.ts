import { expect, test } from 'vitest';
import { parseManifest } from '../../gateway/inference/bundle.ts';
import { type Called, CallWork } from '../../gateway/inference/call-work.ts';
import { Model } from '../../gateway/inference/model.ts';
import { planOf } from '../../gateway/inference/plan.ts';
import { Queues } from '../../gateway/inference/queues.ts';
import type { Priority } from '../../gateway/ports/inference.ts';
import { CARD } from './bundles.ts';

/** A model of one free-batch input, `rowUs` microseconds a row. */
function modelOf(name: string, maxBatch: number, rowUs: number): Model {
  const spec = { datatype: 'FP32', shape: [-1, 1] };
  const manifest = {
    name,
    version: '1',
    runtime: 'onnx',
    file: 'model.onnx',
    sha256: 'a'.repeat(64),
    inputs: [{ name: 'x', from: 'request', ...spec }],
    outputs: [{ name: 'y', ...spec }],
    limits: { maxBatch },
    card: CARD,
  };
  const bundle = {
    folder: '/none',
    manifest: parseManifest(JSON.stringify(manifest), name),
    modelFile: '/none',
  };
  const model = new Model(bundle, planOf(bundle), 1);
  model.rowUs = rowUs;
  return model;
}

const answers: Called[] = [];

function work(
  model: Model,
  account: string,
  priority: Priority = 'interactive',
  rows = 1,
  deadline = 1e9,
): CallWork {
  const x = { datatype: 'FP32', shape: [rows, 1], data: new Float32Array(rows) } as const;
  const terms = { priority, account, since: 0, deadline };
  return new CallWork(model, [x], { outputs: undefined, state: undefined }, terms, (called) =>
    answers.push(called),
  );
}

const always = (): boolean => true;

/** Rows per account in a draft. */
function shares(queues: Queues, now = 0): Record<string, number> {
  const draft = queues.draft(always, now)!;
  const rows: Record<string, number> = {};
  for (const { work: taken } of draft.segments) rows[taken.account] = (rows[taken.account] ?? 0) + taken.rows;
  return rows;
}

test('accounts with equal need get equal parts of each run, whoever came first and however much they want', () => {
  const model = modelOf('m', 12, 100);
  const queues = new Queues({ maxWaiting: 100_000 });
  for (let i = 0; i < 500; i++) queues.add(work(model, 'greedy'), 0);
  for (let i = 0; i < 50; i++) for (const account of ['b', 'c']) queues.add(work(model, account), 0);
  expect(shares(queues)).toEqual({ greedy: 4, b: 4, c: 4 });
  expect(shares(queues)).toEqual({ greedy: 4, b: 4, c: 4 });
  queues.add(work(model, 'late'), 0);
  expect(shares(queues).late).toBe(1);
  const had: Record<string, number> = { greedy: 0, b: 0, c: 0 };
  for (let run = 0; run < 8; run++) {
    for (const [account, rows] of Object.entries(shares(queues))) had[account] = had[account]! + rows;
  }
  for (const rows of Object.values(had)) expect(Math.abs(rows - 32)).toBeLessThanOrEqual(4);
});

test('an account with large calls does not get more than one with small ones, and all of it is computed', () => {
  const model = modelOf('m', 16, 100);
  const queues = new Queues({ maxWaiting: 100_000 });
  for (let i = 0; i < 40; i++) queues.add(work(model, 'large', 'interactive', 12), 0);
  for (let i = 0; i < 400; i++) queues.add(work(model, 'small'), 0);
  const had: Record<string, number> = { large: 0, small: 0 };
  for (let run = 0; run < 20; run++) {
    for (const [account, rows] of Object.entries(shares(queues))) had[account] = had[account]! + rows;
  }
  expect(Math.abs(had.large! - had.small!)).toBeLessThanOrEqual(32);
  while (queues.rows > 0) shares(queues);
  expect(model.waiting).toBe(0);
});

test('accounts of different models share the time, not the runs', () => {
  const slow = modelOf('slow', 8, 1000);
  const fast = modelOf('fast', 8, 100);
  const queues = new Queues({ maxWaiting: 100_000 });
  for (let i = 0; i < 800; i++) {
    queues.add(work(slow, 'a'), 0);
    queues.add(work(fast, 'b'), 0);
  }
  const time: Record<string, number> = { a: 0, b: 0 };
  for (let run = 0; run < 60; run++) {
    for (const [account, rows] of Object.entries(shares(queues)))
      time[account] = time[account]! + rows * (account === 'a' ? 1000 : 100);
  }
  expect(time.a! / time.b!).toBeGreaterThan(0.5);
  expect(time.a! / time.b!).toBeLessThan(2);
});

test('pipelines go first, then callers who wait; nobody starves', () => {
  const models = {
    pipeline: modelOf('p', 4, 100),
    interactive: modelOf('i', 4, 100),
    bulk: modelOf('b', 4, 100),
  };
  const queues = new Queues({ maxWaiting: 100_000 });
  const runs: Record<string, number> = { pipeline: 0, interactive: 0, bulk: 0 };
  for (let i = 0; i < 2000; i++) {
    for (const priority of ['bulk', 'interactive', 'pipeline'] as const)
      queues.add(work(models[priority], 'x', priority), 0);
  }
  const first = queues.draft(always, 0)!;
  expect(first.model.key).toBe('p@1');
  for (let run = 0; run < 365; run++) {
    const { segments } = queues.draft(always, 0)!;
    const { priority } = segments[0]!.work;
    runs[priority] = runs[priority]! + 1;
  }
  expect(runs.pipeline).toBeGreaterThan(310);
  expect(runs.interactive).toBeGreaterThan(30);
  expect(runs.bulk).toBeGreaterThanOrEqual(4);
});

test('a pipeline that comes after a flood of calls is in the next run', () => {
  const flooded = modelOf('f', 8, 1000);
  const own = modelOf('o', 8, 100);
  const queues = new Queues({ maxWaiting: 100_000 });
  for (let i = 0; i < 5000; i++) queues.add(work(flooded, `c${i % 50}`), 0);
  for (let run = 0; run < 100; run++) queues.draft(always, 0);
  for (let i = 0; i < 100; i++) {
    queues.add(work(own, 'pipeline/a', 'pipeline'), 0);
    expect(queues.draft(always, 0)!.model).toBe(own);
  }
  // It shares a run with calls for the same model, and its rows are first.
  queues.add(work(flooded, 'pipeline/b', 'pipeline'), 0);
  const { segments } = queues.draft(always, 0)!;
  expect(segments[0]!.work.account).toBe('pipeline/b');
  expect(segments).toHaveLength(8);
});

test('calls of another shape wait for a run of their own; slow models get small runs', () => {
  const model = modelOf('m', 64, 10_000);
  const queues = new Queues({ maxWaiting: 1000 });
  for (let i = 0; i < 40; i++) queues.add(work(model, 'a'), 0);
  expect(shares(queues)).toEqual({ a: 2 });
});

test('what is late is answered and not in a run, wherever it stands', () => {
  const model = modelOf('m', 8, 100);
  const queues = new Queues({ maxWaiting: 1000 });
  answers.length = 0;
  for (let i = 0; i < 10; i++) queues.add(work(model, 'a', 'interactive', 1, i % 2 ? 50 : 1000), 0);
  expect(shares(queues, 60)).toEqual({ a: 5 });
  expect(answers.map(({ answer }) => !answer.ok && answer.code)).toEqual(Array(5).fill('DEADLINE'));
  for (let i = 0; i < 10; i++) queues.add(work(model, 'b', 'bulk', 1, i % 2 ? 150 : 1000), 100);
  expect(queues.expire(160)).toBe(1000);
  expect(queues.rows).toBe(5);
  expect(model.waiting).toBe(5);
  queues.fail('STOPPING', 'test');
  expect(queues.rows).toBe(0);
  expect(answers).toHaveLength(15);
});

test('queues are bounded by rows, by bytes and per account; a call that is alone always fits', () => {
  const model = modelOf('m', 4096, 100);
  const queues = new Queues({ maxWaiting: 100 });
  const refused = (account: string, rows: number, priority: Priority = 'interactive'): boolean => {
    const one = work(model, account, priority, rows);
    if (queues.refuses(one) !== undefined) return true;
    queues.add(one, 0);
    return false;
  };
  expect(refused('a', 1000)).toBe(false);
  queues.fail('STOPPING', 'test');
  expect(refused('a', 20)).toBe(false);
  expect(refused('a', 6)).toBe(true);
  for (const account of ['b', 'c', 'd', 'e']) expect(refused(account, 20)).toBe(false);
  expect(refused('f', 1)).toBe(true);
  expect(refused('f', 1, 'bulk')).toBe(false);
  expect(refused('pipeline/p', 500, 'pipeline')).toBe(false);
});

test('accounts that rent have their part of the machine whenever they need it, and the others have it when they do not', () => {
  const rents = new Map([
    ['ann', 30],
    ['bob', 10],
  ]);
  const queues = new Queues({ maxWaiting: 100_000, rents });
  const models = Object.fromEntries(['ann', 'bob', 'p', 'i'].map((name) => [name, modelOf(name, 8, 1000)]));
  const add = (account: string, priority: Priority) => {
    for (let n = 0; n < 2000; n++) queues.add(work(models[account]!, account, priority), 0);
  };
  add('ann', 'interactive');
  add('bob', 'bulk');
  add('p', 'pipeline');
  add('i', 'interactive');
  const had: Record<string, number> = {};
  const run = (drafts: number): void => {
    for (let n = 0; n < drafts; n++)
      for (const [account, rows] of Object.entries(shares(queues))) had[account] = (had[account] ?? 0) + rows;
  };
  run(400);
  const all = Object.values(had).reduce((sum, rows) => sum + rows, 0);
  expect(had.ann! / all).toBeCloseTo(0.3, 1);
  expect(had.bob! / all).toBeCloseTo(0.1, 1);
  expect(had.ann! / had.bob!).toBeCloseTo(3, 0);
  // Who rents nothing has what is left, by priority.
  expect((had.p! + had.i!) / all).toBeCloseTo(0.6, 1);
  queues.fail('X', 'gone', models.ann);
  queues.fail('X', 'gone', models.bob);
  for (const name of Object.keys(had)) had[name] = 0;
  run(50);
  expect(had.p! + had.i!).toBe(400);
});
