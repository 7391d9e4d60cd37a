import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import type { LoadedModel, ModelRunner } from '../../gateway/ports/model-runner.ts';
import type { Tensor } from '../../gateway/ports/tensor.ts';
import { testData } from '../support/data.ts';
import { expectClose, namedTensors } from '../support/onnx-cases.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** A model `input [-1, 4] → output [-1, 3]` of FP32 that takes each row for itself. */
export interface SmallModel {
  /** Writes it into a folder and answers the file to load. */
  write(folder: string): string;
  /** What it gives for rows of four numbers. */
  compute(x: readonly number[]): readonly number[];
}

const fp32 = (shape: readonly number[], data: ArrayLike<number>): Tensor => ({
  datatype: 'FP32',
  shape,
  data: Float32Array.from(data),
});

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(GatewayError);
  return (error as GatewayError).code;
}

/** What every loaded model must do, whatever runs it. */
export function loadedModelContract(name: string, open: () => Promise<LoadedModel>, small: SmallModel): void {
  describe(`${name}: a loaded model`, () => {
    const opened = async <T>(use: (model: LoadedModel) => Promise<T>): Promise<T> => {
      const model = await open();
      try {
        return await use(model);
      } finally {
        await model.dispose();
      }
    };

    test('tells its inputs and outputs, and computes batches of any size', () =>
      opened(async (model) => {
        expect(model.inputs).toEqual([{ name: 'input', datatype: 'FP32', shape: [-1, 4] }]);
        expect(model.outputs).toEqual([{ name: 'output', datatype: 'FP32', shape: [-1, 3] }]);
        for (const rows of [1, 2, 17]) {
          const x = Array.from({ length: rows * 4 }, (_, i) => Math.fround(Math.cos(i) * 3));
          const { output } = await model.run({ input: fp32([rows, 4], x) });
          expect(output?.datatype).toBe('FP32');
          expect([...output!.shape]).toEqual([rows, 3]);
          const wanted = small.compute(x);
          for (const [i, value] of Array.from(output!.data as Float32Array).entries())
            expect(value).toBeCloseTo(wanted[i]!, 4);
        }
      }));

    test('answers wrong datatypes, shapes, lengths and names with a code, and goes on', () =>
      opened(async (model) => {
        const run = (input: Record<string, Tensor>): Promise<string> => codeOf(model.run(input));
        expect(await run({ input: { datatype: 'INT32', shape: [1, 4], data: new Int32Array(4) } })).toBe(
          'MODEL_RUN',
        );
        expect(await run({ input: fp32([1, 5], new Float32Array(5)) })).toBe('MODEL_RUN');
        expect(await run({ input: fp32([1, 4], new Float32Array(3)) })).toBe('MODEL_SHAPE');
        expect(await run({ input: fp32([1, -4], new Float32Array(4)) })).toBe('MODEL_SHAPE');
        expect(await run({ other: fp32([1, 4], new Float32Array(4)) })).toBe('MODEL_RUN');
        expect(await run({})).toBe('MODEL_RUN');
        const again = await model.run({ input: fp32([2, 4], new Float32Array(8)) });
        expect(again.output?.shape).toEqual([2, 3]);
      }));

    test('does not change what it is given', () =>
      opened(async (model) => {
        const input = fp32([1, 4], [1, 2, 3, 4]);
        await model.run({ input });
        expect(input).toEqual(fp32([1, 4], [1, 2, 3, 4]));
      }));
  });
}

/** What every runner of model files must do besides {@link loadedModelContract}. */
export function modelRunnerContract(name: string, create: () => ModelRunner, small: SmallModel): void {
  const fresh = (): string => {
    const folder = temporaryFolder();
    mkdirSync(folder, { recursive: true });
    return folder;
  };
  loadedModelContract(name, () => create().load(small.write(fresh())), small);

  describe(`${name}: bad files are coded errors`, () => {
    const write = (bytes: Uint8Array): string => {
      const file = small.write(fresh());
      writeFileSync(file, bytes);
      return file;
    };

    test('missing file', async () => {
      expect(await codeOf(create().load(join(temporaryFolder(), 'none')))).toBe('MODEL_FILE');
    });
    test('truncated file', async () => {
      const file = small.write(fresh());
      truncateSync(file, Math.floor(readFileSync(file).length / 2));
      expect(await codeOf(create().load(file))).toBe('MODEL_LOAD');
    });
    test('a file beside it is missing', async () => {
      const file = small.write(fresh());
      const others = readdirSync(dirname(file)).filter((other) => join(dirname(file), other) !== file);
      for (const other of others) truncateSync(join(dirname(file), other), 3);
      if (others.length > 0) expect(await codeOf(create().load(file))).toBe('MODEL_LOAD');
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
  });
}

/** The one-operator models of the ONNX backend tests, for what runs ONNX files: here or elsewhere. */
export function onnxCases(name: string, load: (file: string) => Promise<LoadedModel>): void {
  describe(`${name}: one-operator models of the ONNX backend tests`, () => {
    const folder = testData('onnx', 'node');
    const models = folder ? readdirSync(folder).filter((entry) => entry.startsWith('test_')) : [];
    test.skipIf(!folder)('there are some', () => expect(models.length).toBeGreaterThan(0));
    for (const model of models) {
      test(model, async () => {
        const loaded = await load(join(folder!, model, 'model.onnx'));
        try {
          const sets = readdirSync(join(folder!, model)).filter((entry) =>
            entry.startsWith('test_data_set_'),
          );
          for (const set of sets) {
            const files = join(folder!, model, set);
            const names = (specs: LoadedModel['inputs']): string[] => specs.map((spec) => spec.name);
            const found = await loaded.run(namedTensors(files, 'input', names(loaded.inputs)));
            const expected = namedTensors(files, 'output', names(loaded.outputs));
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
}
