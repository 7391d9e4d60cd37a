import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createOnnxRunner } from '../../gateway/inference/runners/onnx.ts';
import { expandingModel, loopingModel, mlpModel } from '../support/onnx.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { writeBundle } from './bundles.ts';
import { loopingManifest, mlpManifest, rowItems, runItems, startInference, summary } from './service.ts';

const rows = (count: number, columns: number): number[][] =>
  Array.from({ length: count }, (_, i) =>
    Array.from({ length: columns }, (_, c) => Math.sin(i * columns + c)),
  );

test('concurrent calls for one model share runs, and every item gets its own answer', async () => {
  const dir = temporaryFolder();
  const folder = writeBundle(dir, { name: 'mlp', model: mlpModel([4, 8, 3]), manifest: mlpManifest(4, 3) });
  const { inference } = await startInference(dir, { preload: ['mlp'] });
  const all = rows(300, 4);
  const calls = Array.from({ length: 100 }, (_, i) =>
    runItems(inference, 'mlp', rowItems(all.slice(i * 3, i * 3 + 3))),
  );
  const found = (await Promise.all(calls)).flat();
  const direct = await createOnnxRunner().load(join(folder, 'model.onnx'));
  for (const [i, row] of all.entries()) {
    const { output } = await direct.run({
      input: { datatype: 'FP32', shape: [1, 4], data: Float32Array.from(row) },
    });
    const answer = found[i]!;
    if (!answer.ok) throw new Error(answer.message);
    const values = answer.outputs.out as number[];
    for (const [v, value] of values.entries()) expect(value).toBeCloseTo(output!.data[v] as number, 5);
    expect(answer.computeUs).toBeGreaterThanOrEqual(1);
    expect(Number.isInteger(answer.computeUs)).toBe(true);
  }
  await direct.dispose();
  const stats = inference.stats().models['mlp@1']!;
  expect(stats.items).toBe(300);
  expect(stats.runs).toBeLessThan(20);
  expect(stats.largestBatch).toBe(128);
});

test('a model whose batch is fixed at 1 is run window by window', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, { name: 'one', model: mlpModel([4, 3], 1), manifest: mlpManifest(4, 3, 1) });
  writeBundle(dir, { name: 'claims-more', model: mlpModel([4, 3], 1), manifest: mlpManifest(4, 3, -1) });
  writeBundle(dir, { name: 'many', model: mlpModel([4, 3]), manifest: mlpManifest(4, 3) });
  const { inference } = await startInference(dir);
  const items = rowItems(rows(10, 4));
  const expected = summary(await runItems(inference, 'many', items), 'out') as number[][];
  for (const name of ['one', 'claims-more']) {
    const found = summary(await runItems(inference, name, items), 'out') as number[][];
    for (const [i, values] of found.entries())
      for (const [v, value] of values.entries()) expect(value).toBeCloseTo(expected[i]![v]!, 5);
  }
});

test('windows of a size the model does not take are refused, and a number that is not finite is one failure', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, { name: 'mlp', model: mlpModel([2, 1]), manifest: mlpManifest(2, 1) });
  const { inference } = await startInference(dir);
  const [good] = rowItems([[1, 2]]);
  const wrong = [
    { ...good!, columns: 3 },
    { ...good!, rows: 2 },
    { ...good!, window: Float64Array.of(1) },
    { ...good!, window: Float64Array.of(1, 2), rows: 0 },
  ];
  for (const item of wrong)
    await expect(runItems(inference, 'mlp', [item])).rejects.toMatchObject({ code: 'MODEL_SHAPE' });
  const bad = { ...good!, window: Float64Array.of(Number.NaN, 1) };
  expect(summary(await runItems(inference, 'mlp', [good!, bad, good!, bad]), 'out')).toEqual([
    expect.any(Number),
    'MODEL_OUTPUT',
    expect.any(Number),
    'MODEL_OUTPUT',
  ]);
  expect(inference.stats().models['mlp@1']!.failures).toEqual({ MODEL_OUTPUT: 2 });
  await expect(runItems(inference, 'other', [good!])).rejects.toMatchObject({
    code: 'MODEL_MISSING',
    message: 'no model "other"; installed: mlp@1',
  });
});

test('killing the host again and again under load loses nothing', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, { name: 'mlp', model: mlpModel([4, 8, 3]), manifest: mlpManifest(4, 3) });
  const { inference, alarms } = await startInference(dir, { preload: ['mlp'] });
  const items = rowItems(rows(64, 4));
  const reference = summary(await runItems(inference, 'mlp', items), 'out');
  let kills = 0;
  let going = true;
  let answered = 0;
  const caller = async (): Promise<void> => {
    while (going) {
      expect(summary(await runItems(inference, 'mlp', items), 'out')).toEqual(reference);
      answered++;
    }
  };
  const callers = Array.from({ length: 8 }, caller);
  while (kills < 6) {
    const before = answered;
    await until(
      () => answered > before + 20 && inference.stats().host.pid !== undefined,
      'answers between kills',
    );
    process.kill(inference.stats().host.pid!, 'SIGKILL');
    kills++;
  }
  const last = answered;
  await until(() => answered > last + 20, 'answers after the last kill');
  going = false;
  await Promise.all(callers);
  expect(inference.stats().host.restarts).toBe(kills);
  expect(inference.stats().models['mlp@1']!.failures).toEqual({});
  expect(alarms.history.map((alarm) => alarm.kind)).toContain('model-host-crashed');
});

test('an input that hangs the host is answered POISON; its neighbours and other models are not harmed', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, { name: 'looping', model: loopingModel(), manifest: loopingManifest('500ms') });
  writeBundle(dir, { name: 'mlp', model: mlpModel([4, 3]), manifest: mlpManifest(4, 3) });
  const { inference } = await startInference(dir, { preload: ['looping', 'mlp'] });
  const values = Array.from({ length: 20 }, (_, i) => [i === 13 ? 1e12 : i]);
  const [looped, other] = await Promise.all([
    runItems(inference, 'looping', rowItems(values)),
    runItems(inference, 'mlp', rowItems(rows(50, 4))),
  ]);
  expect(summary(looped, 'out')).toEqual(values.map(([value], i) => (i === 13 ? 'POISON' : value)));
  expect(other.every((answer) => answer.ok)).toBe(true);
  expect(inference.stats().host.restarts).toBe(2);
  expect(inference.stats().models['looping@1']!.failures).toEqual({ POISON: 1 });
});

test('an input that asks for more memory than there is, or gives too much, is answered with a code', async () => {
  const dir = temporaryFolder();
  const manifest = {
    rows: 1,
    inputs: [{ name: 'input', datatype: 'FP32', shape: [1], from: 'window' }],
    outputs: [{ name: 'output', datatype: 'FP32', shape: [-1], as: 'out' }],
    limits: { maxTensorBytes: '1MiB' },
  };
  writeBundle(dir, { name: 'expanding', model: expandingModel(), manifest });
  const { inference } = await startInference(dir);
  const answers = await runItems(inference, 'expanding', rowItems([[3], [1e12], [2e9], [1e6], [-5], [2]]));
  expect(summary(answers, 'out')).toEqual([
    [0, 0, 0],
    'MODEL_RUN',
    'MODEL_RUN',
    'MODEL_OUTPUT',
    'MODEL_RUN',
    [0, 0],
  ]);
  expect(inference.stats().host.restarts).toBe(0);
});

test('items that wait past their deadline are answered DEADLINE and not computed', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, { name: 'looping', model: loopingModel(), manifest: loopingManifest('60s') });
  writeBundle(dir, { name: 'mlp', model: mlpModel([4, 3]), manifest: mlpManifest(4, 3) });
  const { inference } = await startInference(dir, { preload: ['looping', 'mlp'] });
  // Some hundreds of milliseconds of work in several runs, so that the host is busy.
  const busy = Array.from({ length: 16 }, () => runItems(inference, 'looping', rowItems([[300_000]])));
  const late = await runItems(inference, 'mlp', rowItems(rows(3, 4)), { deadline: 0 });
  expect(summary(late, 'out')).toEqual(['DEADLINE', 'DEADLINE', 'DEADLINE']);
  expect(inference.stats().models['mlp@1']!.runs).toBe(0);
  for (const answers of await Promise.all(busy)) expect(answers[0]!.ok).toBe(true);
});

test('a fresh host takes over under load without one failed item', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, { name: 'mlp', model: mlpModel([4, 3]), manifest: mlpManifest(4, 3) });
  const { inference } = await startInference(dir, { preload: ['mlp'] });
  const items = rowItems(rows(16, 4));
  let going = true;
  let failed = 0;
  const callers = Array.from({ length: 4 }, async () => {
    while (going) failed += (await runItems(inference, 'mlp', items)).filter((answer) => !answer.ok).length;
  });
  const pids = new Set([inference.stats().host.pid]);
  for (let i = 0; i < 5; i++) {
    await inference.replaceHost();
    pids.add(inference.stats().host.pid);
  }
  going = false;
  await Promise.all(callers);
  expect(failed).toBe(0);
  expect(pids.size).toBe(6);
  expect(inference.stats().host.restarts).toBe(0);
  const old = [...pids].filter((pid) => pid !== inference.stats().host.pid);
  await until(() => old.every((pid) => !alive(pid!)), 'the old hosts to end');
});

test('a bundle that is wrong is refused with an alarm, and the others serve', async () => {
  const dir = temporaryFolder();
  const golden = { inputs: { window: [[1, 2, 3, 4]] }, outputs: { out: [1, 1, 1] }, tolerance: 1e-3 };
  const parts = { model: mlpModel([4, 3]), manifest: mlpManifest(4, 3) };
  writeBundle(dir, { name: 'good', ...parts });
  writeBundle(dir, { name: 'wrong-golden', ...parts, golden: [golden] });
  writeBundle(dir, { name: 'wrong-shape', model: mlpModel([5, 3]), manifest: mlpManifest(4, 3) });
  writeBundle(dir, {
    name: 'no-onnx',
    model: new TextEncoder().encode('not a model'),
    manifest: mlpManifest(4, 3),
  });
  writeBundle(dir, { name: 'tfjs', ...parts, manifest: { ...parts.manifest, runtime: 'tfjs' } });
  truncateSync(join(writeBundle(dir, { name: 'truncated', ...parts }), 'model.onnx'), 100);
  const { inference, alarms } = await startInference(dir, { preload: ['good'] });
  const items = rowItems(rows(2, 4));
  const reasons: Record<string, string> = {
    'wrong-golden': 'MODEL_GOLDEN',
    'wrong-shape': 'MODEL_SHAPE',
    'no-onnx': 'MODEL_LOAD',
    tfjs: 'MODEL_LOAD',
    truncated: 'MODEL_CHECKSUM',
  };
  for (const name of Object.keys(reasons))
    expect(summary(await runItems(inference, name, items), 'out'), name).toEqual([
      'MODEL_REFUSED',
      'MODEL_REFUSED',
    ]);
  expect(summary(await runItems(inference, 'good', items), 'out')).toHaveLength(2);
  const found = Object.fromEntries(
    inference.list().map((model) => [model.name, model.reason?.code ?? model.state]),
  );
  expect(found).toEqual({ ...reasons, good: 'serving' });
  expect(alarms.active().find((alarm) => alarm.kind === 'model-refused')?.message).toContain(
    'wrong-golden@1',
  );
  expect(inference.stats().host.restarts).toBe(0);
});

test('a bad new version leaves the old one in service', async () => {
  const dir = temporaryFolder();
  const parts = { name: 'mlp', model: mlpModel([4, 3]), manifest: mlpManifest(4, 3) };
  writeBundle(dir, parts);
  const { inference, alarms } = await startInference(dir, { preload: ['mlp'] });
  const items = rowItems(rows(2, 4));
  const before = await runItems(inference, 'mlp', items);
  const golden = { inputs: { window: [[1, 2, 3, 4]] }, outputs: { out: [9, 9, 9] } };
  writeBundle(dir, { ...parts, version: '2', golden: [golden] });
  writeBundle(dir, { ...parts, version: '1.5', model: mlpModel([4, 5, 3]) });
  inference.rescan();
  const answered = new Set<unknown>();
  await until(async () => {
    for (const answer of await runItems(inference, 'mlp', items)) answered.add(answer.ok);
    return alarms.active().some((alarm) => alarm.kind === 'model-refused');
  }, 'the new version to be refused');
  expect(answered).toEqual(new Set([true]));
  expect(inference.model('mlp').version).toBe('1');
  expect(summary(await runItems(inference, 'mlp', items), 'out')).toEqual(summary(before, 'out'));
  inference.rescan();
  await until(() => inference.model('mlp').version === '1.5', 'the version between to serve');
  expect(summary(await runItems(inference, 'mlp', items), 'out')).not.toEqual(summary(before, 'out'));
});

test('nothing is written to a fresh home folder, and no process is left behind', async () => {
  const dir = temporaryFolder();
  const home = temporaryFolder();
  writeBundle(dir, { name: 'mlp', model: mlpModel([4, 3]), manifest: mlpManifest(4, 3) });
  const before = process.env.HOME;
  process.env.HOME = home;
  delete process.env.ORT_DISABLE_TELEMETRY;
  try {
    const { inference } = await startInference(dir, { preload: ['mlp'] });
    await runItems(inference, 'mlp', rowItems(rows(2, 4)));
    const { pid } = inference.stats().host;
    expect(alive(pid!)).toBe(true);
    const pending = runItems(inference, 'mlp', rowItems(rows(2, 4)));
    await inference.stop();
    expect((await pending).every((answer) => answer.ok)).toBe(true);
    expect(alive(pid!)).toBe(false);
    await expect(runItems(inference, 'mlp', rowItems(rows(2, 4)))).rejects.toMatchObject({
      code: 'STOPPING',
    });
    const { readdirSync } = await import('node:fs');
    expect(readdirSync(home)).toEqual([]);
  } finally {
    process.env.HOME = before;
  }
});

test('stopping answers what is in a host that does not end by itself', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, { name: 'looping', model: loopingModel(), manifest: loopingManifest('60s') });
  const { inference } = await startInference(dir, { preload: ['looping'] });
  const { pid } = inference.stats().host;
  const endless = runItems(inference, 'looping', rowItems([[1e12]]));
  const rejected = expect(endless).rejects.toMatchObject({ code: 'STOPPING' });
  await until(() => inference.stats().inFlight === 1, 'the run to begin');
  await inference.stop();
  await rejected;
  expect(alive(pid!)).toBe(false);
});

test('a bundle that is not valid is skipped with a line that says why', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, { name: 'mlp', model: mlpModel([4, 3]), manifest: mlpManifest(4, 3) });
  const broken = writeBundle(dir, { name: 'broken', model: mlpModel([4, 3]), manifest: mlpManifest(4, 3) });
  writeFileSync(join(broken, 'model.yaml'), 'name: broken\nversion: [');
  const { inference, log } = await startInference(dir);
  expect(inference.list().map((model) => model.name)).toEqual(['mlp']);
  const line = log.lines.find((entry) => entry.level === 'error')!;
  expect(JSON.stringify(line.fields)).toContain('model.yaml:2');
});

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
