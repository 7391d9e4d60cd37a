import type { DataType, NamedTensorMap, Tensor as TfTensor } from '@tensorflow/tfjs-core';
import { GatewayError } from '../../../errors.ts';
import type { LoadedModel, ModelRunner } from '../../../ports/model-runner.ts';
import type { Datatype, Tensor, TensorSpec } from '../../../ports/tensor.ts';
import { elements } from '../../tensor-data.ts';
import { readArtifacts } from './artifacts.ts';
import { firstLine, loadTfjs, type Tf, type TfjsLibrary, useCpu } from './library.ts';

const TF_TYPES: Readonly<Partial<Record<Datatype, DataType>>> = {
  FP32: 'float32',
  INT32: 'int32',
  BOOL: 'bool',
  BYTES: 'string',
};
const DATATYPES = new Map(Object.entries(TF_TYPES).map(([datatype, type]) => [type, datatype as Datatype]));

/** Stands for a shape that the file does not tell. */
const UNKNOWN: readonly number[] = [-1];

/** What of a graph or layers model is used here. */
interface TfjsModel {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Tensors of {@link outputs} in their order. Throws what the library throws. */
  run(feeds: NamedTensorMap): Promise<TfTensor[]>;
  dispose(): void;
}

/** TensorFlow.js models: a `model.json` (graph or layers) with its weights beside it. */
export function createTfjsRunner(): ModelRunner {
  return {
    runtime: 'tfjs',
    async prepare() {
      await loadTfjs();
    },
    async load(file) {
      const { artifacts, graph } = readArtifacts(file);
      const library = await loadTfjs();
      try {
        const handler = library.tf.io.fromMemory(artifacts);
        const model = graph
          ? await withShapes(library.tf, graphModel(library.tf, await library.loadGraphModel(handler)))
          : layersModel(library.tf, await library.loadLayersModel(handler));
        return loadedModel(library, model);
      } catch (error) {
        if (error instanceof GatewayError) throw error;
        throw new GatewayError('MODEL_LOAD', `${file}: ${firstLine(error)}`, { cause: error });
      }
    },
  };
}

function graphModel(tf: Tf, model: Awaited<ReturnType<TfjsLibrary['loadGraphModel']>>): TfjsModel {
  const plain = (name: string): string => name.replace(/:0$/, '');
  const outputs = model.outputs.map((info) => specOf({ ...info, name: plain(info.name) }));
  const names = model.outputNodes;
  let dynamic = false;
  return {
    inputs: model.inputs.map((info) => specOf({ ...info, name: plain(info.name) })),
    outputs,
    async run(feeds) {
      if (!dynamic) {
        try {
          return tf.tidy(() => [model.execute(feeds, names)].flat());
        } catch (error) {
          // Control flow and shapes that depend on values need the other way; the library says so only here.
          if (!firstLine(error).includes('executeAsync')) throw error;
          dynamic = true;
        }
      }
      return [await model.executeAsync(feeds, names)].flat();
    },
    dispose: () => model.dispose(),
  };
}

/** Graphs may keep the shapes of their outputs to themselves: a run on zeros tells them. */
async function withShapes(tf: Tf, model: TfjsModel): Promise<TfjsModel> {
  if (model.outputs.every(({ shape }) => shape !== UNKNOWN)) return model;
  const feeds: NamedTensorMap = {};
  for (const { name, datatype, shape } of model.inputs)
    feeds[name] = tf.zeros(
      shape.map((d) => (d === -1 ? 1 : d)),
      TF_TYPES[datatype],
    );
  const made = await model.run(feeds);
  const batched = model.inputs.every(({ shape }) => shape[0] === -1);
  const outputs = model.outputs.map((spec, i) => {
    if (spec.shape !== UNKNOWN) return spec;
    const { shape } = made[i]!;
    return { ...spec, shape: batched && shape[0] === 1 ? [-1, ...shape.slice(1)] : shape };
  });
  tf.dispose(feeds);
  tf.dispose(made);
  return { ...model, outputs };
}

function layersModel(tf: Tf, model: Awaited<ReturnType<TfjsLibrary['loadLayersModel']>>): TfjsModel {
  const specs = (list: typeof model.inputs, names: readonly string[]): TensorSpec[] =>
    list.map(({ shape, dtype }, i) => specOf({ name: names[i]!, shape, dtype }));
  const inputs = specs(model.inputs, model.inputNames);
  return {
    inputs,
    outputs: specs(model.outputs, model.outputNames),
    run: async (feeds) => tf.tidy(() => [model.predict(inputs.map(({ name }) => feeds[name]!))].flat()),
    dispose: () => void model.dispose(),
  };
}

function loadedModel({ tf, backend }: TfjsLibrary, model: TfjsModel): LoadedModel {
  let own: string = backend;
  const run = async (given: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> => {
    if (tf.getBackend() !== own) await tf.setBackend(own);
    const feeds: NamedTensorMap = {};
    let made: TfTensor[] = [];
    try {
      for (const spec of model.inputs) feeds[spec.name] = toTf(tf, spec, given[spec.name]);
      made = await model.run(feeds);
      const out: Record<string, Tensor> = {};
      for (const [i, { name }] of model.outputs.entries()) out[name] = await fromTf(name, made[i]!);
      return out;
    } finally {
      tf.dispose(feeds);
      tf.dispose(made);
    }
  };
  return {
    inputs: model.inputs,
    outputs: model.outputs,
    async run(given) {
      const unknown = Object.keys(given).find((name) => !model.inputs.some((spec) => spec.name === name));
      if (unknown !== undefined) throw new GatewayError('MODEL_RUN', `there is no input "${unknown}"`);
      try {
        return await run(given);
      } catch (error) {
        // WebAssembly lacks some kernels; plain JavaScript has all: slower, but it answers.
        if (own !== 'wasm' || !/not registered for the backend/.test(firstLine(error))) throw coded(error);
        await useCpu(tf);
        own = 'cpu';
        return await run(given).catch((again: unknown) => Promise.reject(coded(again)));
      }
    },
    async dispose() {
      model.dispose();
    },
  };
}

const coded = (error: unknown): GatewayError =>
  error instanceof GatewayError ? error : new GatewayError('MODEL_RUN', firstLine(error), { cause: error });

interface Slot {
  readonly name: string;
  readonly shape?: readonly (number | null)[] | undefined;
  readonly dtype: DataType;
}

function specOf({ name, shape, dtype }: Slot): TensorSpec {
  const datatype = DATATYPES.get(dtype);
  if (!datatype)
    throw new GatewayError('MODEL_LOAD', `"${name}" is of the type ${dtype}, which the gateway lacks`);
  return { name, datatype, shape: shape?.map((d) => (d === null || d < 0 ? -1 : d)) ?? UNKNOWN };
}

function toTf(tf: Tf, { name, datatype, shape }: TensorSpec, tensor: Tensor | undefined): TfTensor {
  if (!tensor) throw new GatewayError('MODEL_RUN', `there is no input "${name}"`);
  const fits =
    tensor.shape.length === shape.length && tensor.shape.every((d, i) => shape[i] === -1 || shape[i] === d);
  if (tensor.shape.some((d) => d < 0) || elements(tensor.shape) !== tensor.data.length)
    throw new GatewayError(
      'MODEL_SHAPE',
      `input "${name}": ${tensor.data.length} values for [${tensor.shape.join(', ')}]`,
    );
  if (tensor.datatype !== datatype || !fits)
    throw new GatewayError(
      'MODEL_RUN',
      `input "${name}" is ${tensor.datatype} [${tensor.shape.join(', ')}], the model wants ${datatype} [${shape.join(', ')}]`,
    );
  return tf.tensor(tensor.data as Float32Array, [...tensor.shape], TF_TYPES[datatype]);
}

async function fromTf(name: string, tensor: TfTensor): Promise<Tensor> {
  const datatype = DATATYPES.get(tensor.dtype);
  if (!datatype) throw new GatewayError('MODEL_OUTPUT', `output "${name}" is of the type ${tensor.dtype}`);
  const data =
    datatype === 'BYTES' ? ((await tensor.bytes()) as Uint8Array[]) : ((await tensor.data()) as Float32Array);
  return { datatype, shape: tensor.shape, data };
}
