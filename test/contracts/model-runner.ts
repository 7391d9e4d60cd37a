import { mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import type { ModelRunner } from '../../gateway/ports/model-runner.ts';
import type { Tensor } from '../../gateway/ports/tensor.ts';
import { testData } from '../support/data.ts';
import { mlpModel } from '../support/onnx.ts';
import { expectClose, namedTensors } from '../support/onnx-cases.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** What every model runner that reads ONNX files must do. */
export function modelRunnerContract(name: string, create: () => ModelRunner): void {
  describe(`${name}: one-operator models of the ONNX backend tests`, () => {
    const folder = testData('onnx', 'node');
    const models = folder ? readdirSync(folder).filter((entry) => entry.startsWith('test_')) : [];
    test.skipIf(!folder)('there are some', () => expect(models.length).toBeGreaterThan(0));
    for (const model of models) {
      test(model, async () => {
        const loaded = await create().load(join(folder!, model, 'model.onnx'));
        try {
          for (const set of readdirSync(join(folder!, model)).filter((entry) =>
            entry.startsWith('test_data_set_'),
          )) {
            const files = join(folder!, model, set);
            const names = loaded.inputs.map((spec) => spec.name);
            const given = namedTensors(files, 'input', names);
            const found = await loaded.run(given);
            const expected = namedTensors(
              files,
              'output',
              loaded.outputs.map((spec) => spec.name),
            );
            expect(Object.keys(expected).length).toBeGreaterThan(0);
            for (const [output, tensor] of Object.entries(expected))
              expectClose(found[output], tensor, output);
          }
        } finally {
          await loaded.dispose();
        }
      });
    }
  });

  describe(`${name}: bad models and inputs are coded errors`, () => {
    const good = mlpModel([4, 3]);
    const write = (bytes: Uint8Array): string => {
      const folder = temporaryFolder();
      mkdirSync(folder, { recursive: true });
      const file = join(folder, 'model.onnx');
      writeFileSync(file, bytes);
      return file;
    };
    const codeOf = async (promise: Promise<unknown>): Promise<string> => {
      const error = await promise.then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(GatewayError);
      return (error as GatewayError).code;
    };

    test('missing file', async () => {
      expect(await codeOf(create().load(join(temporaryFolder(), 'none.onnx')))).toBe('MODEL_FILE');
    });
    test('truncated file', async () => {
      const file = write(good);
      truncateSync(file, Math.floor(good.length / 2));
      expect(await codeOf(create().load(file))).toBe('MODEL_LOAD');
    });
    test('empty file', async () => {
      expect(await codeOf(create().load(write(new Uint8Array(0))))).toBe('MODEL_LOAD');
    });
    test('random bytes', async () => {
      let seed = 20260601;
      for (let round = 0; round < 20; round++) {
        const bytes = Uint8Array.from({ length: 64 * (round + 1) }, () => {
          seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
          return seed >>> 24;
        });
        expect(await codeOf(create().load(write(bytes))), `round ${round}`).toBe('MODEL_LOAD');
      }
    });
    test('wrong datatype, shape, length and names', async () => {
      const model = await create().load(write(good));
      const fp32 = (shape: number[], length: number): Tensor => ({
        datatype: 'FP32',
        shape,
        data: new Float32Array(length),
      });
      const run = (input: Record<string, Tensor>): Promise<string> => codeOf(model.run(input));
      expect(await run({ input: { datatype: 'INT32', shape: [1, 4], data: new Int32Array(4) } })).toBe(
        'MODEL_RUN',
      );
      expect(await run({ input: fp32([1, 5], 5) })).toBe('MODEL_RUN');
      expect(await run({ input: fp32([1, 4], 3) })).toBe('MODEL_SHAPE');
      expect(await run({ input: fp32([1, -4], 4) })).toBe('MODEL_SHAPE');
      expect(await run({ other: fp32([1, 4], 4) })).toBe('MODEL_RUN');
      expect(await run({})).toBe('MODEL_RUN');
      const again = await model.run({ input: fp32([2, 4], 8) });
      expect(again.output?.shape).toEqual([2, 3]);
      await model.dispose();
    });
  });
}
