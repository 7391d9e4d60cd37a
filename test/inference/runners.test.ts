import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createOnnxRunner } from '../../gateway/inference/runners/onnx.ts';
import { createTfjsRunner } from '../../gateway/inference/runners/tfjs/index.ts';
import type { ModelRunner } from '../../gateway/ports/model-runner.ts';
import { modelRunnerContract, onnxCases } from '../contracts/model-runner.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { onnxModel } from './small-model.ts';
import { dense, writeGraphModel, writeLayersModel } from './tfjs-models.ts';

modelRunnerContract('onnx runner', createOnnxRunner, onnxModel);
const publicRunner = (): ModelRunner => createOnnxRunner(undefined, () => undefined);
modelRunnerContract('onnx runner, public interface', publicRunner, onnxModel);

test('the native side of the installed onnxruntime is used', async () => {
  const file = onnxModel.write(temporaryFolder());
  expect((await createOnnxRunner().load(file)).runNow).toBeTypeOf('function');
  expect((await publicRunner().load(file)).runNow).toBeUndefined();
});
onnxCases('onnx runner', (file) => createOnnxRunner().load(file));
modelRunnerContract('tfjs runner, graph model', createTfjsRunner, { write: writeGraphModel, compute: dense });
modelRunnerContract('tfjs runner, layers model', createTfjsRunner, {
  write: writeLayersModel,
  compute: dense,
});

test('an execution provider that the installed build lacks is named, with what there is', async () => {
  const file = onnxModel.write(temporaryFolder());
  const load = createOnnxRunner({ providers: ['nonesuch', 'cpu'], threads: 1 }).load(file);
  await expect(load).rejects.toMatchObject({
    code: 'MODEL_RUNTIME',
    message: expect.stringContaining('nonesuch'),
    expected: expect.stringContaining('cpu'),
    fix: expect.stringContaining('models.onnx.providers'),
  });
  const gpu = createOnnxRunner({ providers: ['cuda'], threads: 1 }).load(file);
  const why = await gpu.then(
    () => 'there is one',
    (error: { code: string }) => error.code,
  );
  expect(['there is one', 'MODEL_RUNTIME']).toContain(why);
  const two = await createOnnxRunner({ providers: ['cpu'], threads: 2 }).load(file);
  expect(two.inputs).toHaveLength(1);
  await two.dispose();
});

test('weights of a model.json outside its folder are refused', async () => {
  const folder = temporaryFolder();
  const file = writeGraphModel(folder);
  for (const path of ['../weights-1of2.bin', '/etc/passwd', 'https://x/y.bin', 7]) {
    writeFileSync(
      file,
      JSON.stringify({ modelTopology: { node: [] }, weightsManifest: [{ paths: [path], weights: [] }] }),
    );
    await expect(createTfjsRunner().load(file)).rejects.toMatchObject({ code: 'MODEL_LOAD' });
  }
});
