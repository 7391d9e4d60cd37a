import { expect, test } from 'vitest';
import { readBundle } from '../../../gateway/inference/bundle.ts';
import { misfit } from '../../../gateway/inference/life/face-check.ts';
import { Model } from '../../../gateway/inference/model.ts';
import { planOf } from '../../../gateway/inference/plan.ts';
import { mlpModel } from '../../support/onnx.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { writeBundle } from '../bundles.ts';
import { startInference } from '../service.ts';

let count = 0;

function version(columns: number, manifest: object = {}): Model {
  const folder = writeBundle(temporaryFolder(), {
    name: 'm',
    version: `${++count}`,
    model: mlpModel([columns, 3]),
    manifest: {
      features: Array.from({ length: columns }, (_, i) => `f${i}`),
      rows: 1,
      inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, columns], from: 'window' }],
      outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, 3], as: 'scores' }],
      ...manifest,
    },
  });
  const bundle = readBundle(folder);
  return new Model(bundle, planOf(bundle), count);
}

test('a version fits in the place of another when it takes as much and gives as much', () => {
  const live = version(4);
  expect(misfit(version(4), live)).toBeUndefined();
  expect(misfit(version(5), live)).toContain('columns');
  expect(misfit(version(4, { features: ['f1', 'f0', 'f2', 'f3'] }), live)).toContain('columns f1, f0');
  const given = [{ name: 'input', datatype: 'FP32', shape: [-1, 4], from: 'request' }];
  const byName = version(4, { features: [], rows: undefined, inputs: given });
  expect(misfit(byName, live)).toBeDefined();
  const renamed = version(4, {
    outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, 3], as: 'other' }],
  });
  expect(misfit(renamed, live)).toBe('it gives no "scores"');
  const step = { output: 'scores', step: 'argmax', as: 'best' };
  const more = version(4, { postprocess: [step] });
  expect(misfit(more, live)).toBeUndefined();
  expect(misfit(live, more)).toBe('it gives no "best"');
});

test('a version that callers could not go on with is live only when somebody says so', async () => {
  const models = temporaryFolder();
  const write = (of: string, columns: number): string =>
    writeBundle(models, {
      name: 'm',
      version: of,
      model: mlpModel([columns, 3]),
      manifest: {
        inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, columns], from: 'request' }],
        outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, 3] }],
      },
    });
  write('1', 4);
  const { inference } = await startInference(models, { installedDir: models, newVersion: 'staged' });
  write('2', 5);
  inference.rescan();
  const refused = { code: 'MODEL_FACE', message: expect.stringContaining('input "input" is FP32 [-1, 5]') };
  await expect(inference.life.promote('m@2')).rejects.toMatchObject(refused);
  await expect(inference.life.canary('m@2', 0.5)).rejects.toMatchObject(refused);
  await expect(inference.life.shadow('m@2')).rejects.toMatchObject(refused);
  expect(inference.model('m').version).toBe('1');
  await inference.life.promote('m@2', true);
  expect(inference.model('m').version).toBe('2');
});
