import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createOnnxRunner } from '../../gateway/inference/runners/onnx.ts';
import type { TensorRequest } from '../../gateway/ports/inference.ts';
import { testData } from '../support/data.ts';
import { expectClose, namedTensors } from '../support/onnx-cases.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { writeBundle } from './bundles.ts';
import { startInference } from './service.ts';

const data = testData('onnx', 'node');

const call = (inputs: TensorRequest['inputs']): TensorRequest => ({
  inputs,
  priority: 'interactive',
  account: 'consumer/test',
});

/** A name of a bundle has at most 64 characters. */
const nameOf = (folder: string): string => folder.toLowerCase().slice(-60).replace(/^_+/, '');

test.skipIf(!data)('the one-operator models of the ONNX backend tests through the model host', async () => {
  const dir = temporaryFolder();
  const runner = createOnnxRunner();
  const names = readdirSync(data!).filter((name) => name.startsWith('test_'));
  for (const folder of names) {
    const model = join(data!, folder, 'model.onnx');
    const loaded = await runner.load(model);
    const inputs = loaded.inputs.map((spec) => ({ ...spec, from: 'request' }));
    writeBundle(dir, {
      name: nameOf(folder),
      model,
      manifest: { inputs, outputs: loaded.outputs, limits: { maxBatch: 1 } },
    });
    await loaded.dispose();
  }
  const { inference } = await startInference(dir, { preload: names.map(nameOf) });
  for (const folder of names) {
    const reference = nameOf(folder);
    const { inputs, outputs } = inference.model(reference);
    const set = join(data!, folder, 'test_data_set_0');
    const given = namedTensors(
      set,
      'input',
      inputs.map((spec) => spec.name),
    );
    const answer = await inference.infer(reference, call(given));
    if (!answer.ok) expect.fail(`${folder}: ${answer.code} ${answer.message}`);
    const expected = namedTensors(
      set,
      'output',
      outputs.map((spec) => spec.name),
    );
    for (const [name, tensor] of Object.entries(expected))
      expectClose(answer.outputs[name], tensor, `${folder}: ${name}`);
  }
});
