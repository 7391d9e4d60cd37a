import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { InferenceService } from '../../../gateway/inference/index.ts';
import { Outcomes } from '../../../gateway/inference/life/outcomes.ts';
import type { VersionEntry } from '../../../gateway/inference/life/record.ts';
import type { TensorAnswer } from '../../../gateway/ports/inference.ts';
import type { Tensor } from '../../../gateway/ports/tensor.ts';
import { loopingModel, mlpModel, summingModel, tableModel } from '../../support/onnx.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { until } from '../../support/until.ts';
import { writeBundle } from '../bundles.ts';
import { loopingManifest, mlpManifest, startInference } from '../service.ts';

const limits = { sample: 20, maxErrorRate: 0.1, maxDisagreement: 0.1, maxLatencyRatio: 100 };
const trials = {
  shadow: {
    ...limits,
    tolerance: { absolute: 1e-4, relative: 1e-3 },
    maxWaiting: 1000,
    autoPromote: 30,
  },
  canary: { ...limits, maxDisagreement: 1, maxErrorRate: 0 },
};
const options = { newVersion: 'staged', trials } as const;

const ask = (inference: InferenceService, tensor: Tensor, routeKey: string): Promise<TensorAnswer> =>
  inference.infer('m', {
    inputs: { [tensor.datatype === 'INT64' ? 'index' : 'input']: tensor },
    priority: 'interactive',
    account: 'test',
    routeKey,
  });

/** Looks up an entry of a table. */
const look = (inference: InferenceService, index: number, key = `r${index}`): Promise<TensorAnswer> =>
  ask(inference, { datatype: 'INT64', shape: [1, 1], data: BigInt64Array.of(BigInt(index)) }, key);

/** Turns so many empty loops. */
const loop = (inference: InferenceService, turns: number): Promise<TensorAnswer> =>
  ask(inference, { datatype: 'FP32', shape: [1, 1], data: Float32Array.of(turns) }, 'r');

const version = (answer: TensorAnswer): string => answer.model?.version ?? '';

const stateOf = (inference: InferenceService, of: string): VersionEntry | undefined =>
  inference.list().find((model) => model.version === of)?.life;

function writeTable(dir: string, of: string, table: readonly number[]): void {
  const manifest = {
    inputs: [{ name: 'index', datatype: 'INT64', shape: [-1, 1], from: 'request' }],
    outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, 1] }],
  };
  writeBundle(dir, { name: 'm', version: of, model: tableModel(table), manifest });
}

test('a canary answers its share, always the same keys; what it fails the live one answers, until it is taken back', async () => {
  const dir = temporaryFolder();
  writeTable(dir, '1', [0, 1, 2]);
  const { inference, alarms } = await startInference(dir, { preload: ['m'], installedDir: dir, ...options });
  writeTable(dir, '2', [0, 1]);
  inference.rescan();
  await inference.life.canary('m@2', 0.5);
  const keys = Array.from({ length: 60 }, (_, i) => `device-${i}`);
  const first = await Promise.all(keys.map((key) => look(inference, 0, key)));
  const again = await Promise.all(keys.map((key) => look(inference, 0, key)));
  expect(first.map(version)).toEqual(again.map(version));
  const share = first.filter((answer) => version(answer) === '2').length / keys.length;
  expect(share).toBeGreaterThan(0.25);
  expect(share).toBeLessThan(0.75);
  expect(keys.map((key) => inference.route('m', key).version)).toEqual(first.map(version));
  const key = keys.find((_, i) => version(first[i]!) === '2')!;
  // The third entry is only in the table of version 1.
  expect(await look(inference, 2, key)).toMatchObject({ ok: true, model: { version: '1' } });
  await until(() => stateOf(inference, '2')?.state === 'staged', 'the rollback');
  expect(stateOf(inference, '2')?.note).toContain('MODEL_RUN');
  expect(alarms.active().map(({ kind }) => kind)).toContain('model-taken-back');
  expect(version(await look(inference, 0, key))).toBe('1');
  expect(await inference.infer('m@2', { inputs: {}, priority: 'bulk', account: 'test' })).toMatchObject({
    model: { version: '2' },
  });
});

test('a shadow never answers; one that differs is stopped, one that agrees can become live by itself', async () => {
  const dir = temporaryFolder();
  writeTable(dir, '1', [0, 1, 2]);
  const { inference, alarms } = await startInference(dir, { preload: ['m'], installedDir: dir, ...options });
  writeTable(dir, '2', [0, 1.5, 2]);
  writeTable(dir, '3', [0, 1, 2]);
  inference.rescan();
  await inference.life.shadow('m@2');
  const answers: string[] = [];
  for (let i = 0; stateOf(inference, '2')?.state === 'shadow' && i < 500; i++)
    answers.push(version(await look(inference, i % 3)));
  expect(new Set(answers)).toEqual(new Set(['1']));
  expect(alarms.active().find(({ kind }) => kind === 'model-taken-back')?.message).toContain('differ');
  await inference.life.shadow('m@3');
  expect(alarms.active().map(({ kind }) => kind)).not.toContain('model-taken-back');
  for (let i = 0; stateOf(inference, '3')?.state === 'shadow' && i < 2000; i++) await look(inference, i % 3);
  await until(() => stateOf(inference, '3')?.state === 'live', 'the shadow to become live');
  expect(stateOf(inference, '1')?.state).toBe('previous');
});

test('a canary that answers otherwise than the live version is taken back', async () => {
  const dir = temporaryFolder();
  writeTable(dir, '1', [0, 1, 2]);
  const compared = { ...trials, canary: { ...trials.canary, maxDisagreement: 0.1 } };
  const { inference } = await startInference(dir, {
    installedDir: dir,
    newVersion: 'staged',
    trials: compared,
  });
  writeTable(dir, '2', [0, 1.5, 2]);
  writeTable(dir, '3', [0, 1, 2]);
  inference.rescan();
  const keys = Array.from({ length: 20 }, (_, i) => `device-${i}`);
  const ask = (): Promise<unknown> => Promise.all(keys.map((key) => look(inference, 1, key)));
  await inference.life.canary('m@2', 0.5);
  for (let i = 0; stateOf(inference, '2')?.state === 'canary' && i < 200; i++) await ask();
  expect(stateOf(inference, '2')).toMatchObject({ state: 'staged', note: expect.stringContaining('differ') });
  await inference.life.canary('m@3', 0.5);
  const trial = () => inference.list().find((model) => model.version === '3')?.trial;
  for (let i = 0; (trial()?.compared ?? 0) < 40 && i < 500; i++) await ask();
  expect(trial()).toMatchObject({ agreed: trial()!.compared, errors: 0 });
  expect(stateOf(inference, '3')?.state).toBe('canary');
});

test('a shadow follows sequences from their start on, with state of its own', async () => {
  const dir = temporaryFolder();
  const write = (of: string, factor: number): void => {
    const tensor = { datatype: 'FP32', shape: [-1, 1] };
    const manifest = {
      inputs: [
        { name: 'x', ...tensor, from: 'request' },
        { name: 'before', ...tensor, from: 'state' },
      ],
      outputs: [
        { name: 'output', ...tensor },
        { name: 'next', ...tensor },
      ],
      state: [{ input: 'before', output: 'next', shape: [1, 1], batchAxis: 0 }],
    };
    writeBundle(dir, { name: 'm', version: of, model: summingModel(factor), manifest });
  };
  write('1', 1);
  const never = { ...trials, shadow: { ...trials.shadow, maxDisagreement: 1, autoPromote: 0 } };
  const { inference } = await startInference(dir, { installedDir: dir, newVersion: 'staged', trials: never });
  const call = async (id: string, x: number, start = false): Promise<number> => {
    const answer = await inference.infer('m', {
      inputs: { x: { datatype: 'FP32', shape: [1, 1], data: Float32Array.of(x) } },
      ...{ priority: 'interactive', account: 'test', sequence: { id, start, end: false } },
    });
    return answer.ok ? (answer.outputs.output!.data[0] as number) : Number.NaN;
  };
  await call('before', 5, true);
  write('2', 1);
  write('3', 2);
  inference.rescan();
  const trial = (of: string) => inference.list().find((model) => model.version === of)?.trial;
  await inference.life.shadow('m@2');
  const sums: number[] = [];
  for (let i = 0; i < 6; i++) {
    sums.push(await call('a', i + 1, i === 0), await call('b', 10, i === 0));
    await call('before', 1);
  }
  expect(sums).toEqual([1, 10, 3, 20, 6, 30, 10, 40, 15, 50, 21, 60]);
  await until(() => trial('2')?.compared === 12, 'the comparisons');
  // What began before the shadow was there is left out.
  await until(() => trial('2')?.skipped === 6, 'what is left out');
  expect(trial('2')).toMatchObject({ agreed: 12, errors: 0, maxDifference: 0 });
  await inference.life.shadow('m@3');
  for (let i = 0; i < 3; i++) await call('c', 1, i === 0);
  await until(() => trial('3')?.compared === 3, 'the comparisons');
  expect(trial('3')).toMatchObject({ agreed: 0, maxDifference: 3 });
});

test('a new live version that hangs is rolled back by itself, and no call fails; what did it is kept', async () => {
  const dir = temporaryFolder();
  const manifest = loopingManifest('300ms');
  writeBundle(dir, { name: 'm', model: loopingModel(), manifest });
  const { inference, alarms } = await startInference(dir, { preload: ['m'], installedDir: dir, ...options });
  writeBundle(dir, { name: 'm', version: '2', model: loopingModel(1e12), manifest });
  inference.rescan();
  await inference.life.promote('m@2');
  expect(version(await loop(inference, 0))).toBe('2');
  expect(await loop(inference, 1)).toMatchObject({ ok: true, model: { version: '1' } });
  await until(() => inference.model('m').version === '1', 'the rollback');
  expect(alarms.active().find(({ kind }) => kind === 'model-taken-back')?.message).toContain('m@2');
  const [kept] = readdirSync(join(dir, 'quarantine'));
  expect(JSON.parse(readFileSync(join(dir, 'quarantine', kept!), 'utf8'))).toMatchObject({ model: 'm@2' });
});

test('a model whose folder is deleted serves until it is unloaded, then it is missing', async () => {
  const dir = temporaryFolder();
  const folder = writeBundle(dir, { name: 'm', model: loopingModel(), manifest: loopingManifest('400ms') });
  writeBundle(dir, { name: 'other', model: mlpModel([4, 3]), manifest: mlpManifest(4, 3) });
  const { inference } = await startInference(dir, { installedDir: dir });
  expect((await loop(inference, 1)).ok).toBe(true);
  rmSync(folder, { recursive: true });
  inference.rescan();
  expect((await loop(inference, 1)).ok).toBe(true);
  await inference.replaceHost();
  expect(await loop(inference, 1)).toMatchObject({ ok: false, code: 'MODEL_MISSING' });
  inference.rescan();
  expect(await loop(inference, 1)).toMatchObject({ ok: false, code: 'MODEL_MISSING', model: undefined });
  await inference.life.remove('other@1');
  expect(inference.list()).toEqual([]);
  expect(readdirSync(dir).filter((name) => name.startsWith('other'))).toEqual([]);
});

test('the newest outcomes decide', () => {
  const outcomes = new Outcomes({ ...limits, maxLatencyRatio: 2 });
  for (let i = 0; i < 100; i++) outcomes.answered(100);
  outcomes.failed('x');
  outcomes.failed('x');
  expect(outcomes.verdict()).toBeUndefined();
  outcomes.failed('MODEL_RUN: no');
  expect(outcomes.verdict()).toContain('MODEL_RUN: no');
  for (let i = 0; i < 20; i++) outcomes.answered(100);
  expect(outcomes.verdict()).toBeUndefined();
  outcomes.live(100);
  for (let i = 0; i < 200; i++) outcomes.answered(5000);
  expect(outcomes.verdict()).toContain('5.0 ms');
});
