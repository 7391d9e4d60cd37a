import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { addBundle } from '../../gateway/inference/install.ts';
import { verifyBundle } from '../../gateway/inference/verify.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingLog } from '../support/log.ts';
import { centringModel, mlpModel, pairModel } from '../support/onnx.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { writeBundle } from './bundles.ts';
import { mlpManifest, rowItems, runItems, startInference, summary } from './service.ts';

const options = () => ({ clock: systemClock(), log: recordingLog(), signal: new AbortController().signal });
const parts = { name: 'mlp', model: mlpModel([4, 3]), manifest: mlpManifest(4, 3) };

test('a bundle folder is checked, copied and serves; a second one of that version is refused', async () => {
  const source = writeBundle(temporaryFolder(), parts);
  symlinkSync('/etc/hostname', join(source, 'link'));
  const dir = join(temporaryFolder(), 'models');
  const { bundle } = await addBundle(source, dir, options());
  expect(bundle.folder).toBe(join(dir, 'mlp-1'));
  expect(readdirSync(bundle.folder).sort()).toEqual(['model.onnx', 'model.yaml']);
  await expect(addBundle(source, dir, options())).rejects.toMatchObject({ code: 'MODEL_FILE' });
  expect(readdirSync(dir).sort()).toEqual(['footprints.json', 'mlp-1']);
  const { inference } = await startInference(dir);
  expect((await runItems(inference, 'mlp@1', rowItems([[1, 2, 3, 4]])))[0]!.ok).toBe(true);
});

test('a bare model file gets a manifest from what it says of itself', async () => {
  const file = join(temporaryFolder(), 'My Model.onnx');
  writeFileSync(file, mlpModel([4, 3]));
  const dir = temporaryFolder();
  const { bundle, samples, recorded } = await addBundle(file, dir, options());
  expect(bundle.manifest).toMatchObject({ name: 'my-model', version: '1', rows: 4, features: [] });
  expect([samples, recorded]).toEqual([1, true]);
  const { inference } = await startInference(dir);
  const window = { window: Float32Array.of(1, 2, 3, 4), rows: 4, columns: 1, state: undefined };
  expect(summary(await runItems(inference, 'my-model', [window]), 'output')[0]).toHaveLength(3);
});

test('what is wrong is refused with its code and leaves nothing behind', async () => {
  const dir = temporaryFolder();
  const golden = { inputs: { window: [[1, 2, 3, 4]] }, outputs: { out: [9, 9, 9] } };
  const notOnnx = join(temporaryFolder(), 'x.onnx');
  writeFileSync(notOnnx, 'nothing');
  const empty = join(temporaryFolder(), 'empty');
  mkdirSync(empty);
  const cases: [string, string][] = [
    [writeBundle(temporaryFolder(), { ...parts, golden: [golden] }), 'MODEL_GOLDEN'],
    [writeBundle(temporaryFolder(), { ...parts, model: mlpModel([5, 3]) }), 'MODEL_SHAPE'],
    [notOnnx, 'MODEL_LOAD'],
    [empty, 'MODEL_MANIFEST'],
    [join(empty, 'none'), 'MODEL_FILE'],
  ];
  for (const [source, code] of cases)
    await expect(addBundle(source, dir, options()), source).rejects.toMatchObject({ code });
  expect(readdirSync(dir)).toEqual([]);
});

test('verify tells how many golden samples were right', async () => {
  const source = writeBundle(temporaryFolder(), parts);
  const { inference } = await startInference(join(source, '..'));
  const window = [0.1, 0.2, 0.3, 0.4];
  const [out] = summary(await runItems(inference, 'mlp', rowItems([window])), 'out');
  mkdirSync(join(source, 'golden'));
  const sample = {
    inputs: { window: [window] },
    outputs: { out },
    tolerance: { absolute: 1e-6, relative: 1e-6 },
  };
  writeFileSync(join(source, 'golden', 'a.json'), JSON.stringify(sample));
  expect((await verifyBundle(source, options())).samples).toBe(1);
});

test('a bare file whose rows depend on each other gets a manifest that keeps calls apart', async () => {
  const dir = temporaryFolder();
  const add = async (name: string, model: Uint8Array): Promise<number> => {
    const file = join(temporaryFolder(), `${name}.onnx`);
    writeFileSync(file, model);
    return (await addBundle(file, dir, options())).bundle.manifest.limits.maxBatch;
  };
  expect(await add('sum', pairModel(3))).toBeGreaterThan(1);
  expect(await add('centring', centringModel(3))).toBe(1);
});

test('an archive is unpacked; a bare file of several inputs takes them by name, with a recorded sample', async () => {
  const dir = temporaryFolder();
  const source = writeBundle(temporaryFolder(), parts);
  const archive = join(temporaryFolder(), 'mlp.tgz');
  execFileSync('tar', ['-czf', archive, '-C', join(source, '..'), 'mlp-1']);
  expect((await addBundle(archive, dir, options())).bundle.manifest.name).toBe('mlp');
  const file = join(temporaryFolder(), 'sum.onnx');
  writeFileSync(file, pairModel(3));
  mkdirSync(join(dir, '.adding-999999999-killed'));
  const { bundle, samples, recorded } = await addBundle(file, dir, options());
  expect([samples, recorded]).toEqual([1, true]);
  expect(bundle.manifest.inputs.map(({ from }) => from)).toEqual(['request', 'request']);
  const sample = JSON.parse(readFileSync(join(bundle.folder, 'golden/recorded.json'), 'utf8'));
  expect(sample.description).toContain('not that it answers rightly');
  expect(readdirSync(dir).sort()).toEqual(['footprints.json', 'mlp-1', 'sum-1']);
  sample.outputs.sum.data[0] += 1;
  writeFileSync(join(bundle.folder, 'golden/recorded.json'), JSON.stringify(sample));
  await expect(verifyBundle(bundle.folder, options())).rejects.toMatchObject({ code: 'MODEL_GOLDEN' });
});
