import { existsSync } from 'node:fs';
import type { Tensor as OrtTensor } from 'onnxruntime-node';
import { GatewayError } from '../../errors.ts';
import type { LoadedModel, ModelRunner } from '../../ports/model-runner.ts';
import type { Datatype, Tensor, TensorData, TensorSpec } from '../../ports/tensor.ts';
import { isBytes } from '../tensor-data.ts';
import { nativeSessions } from './onnx-native.ts';
import {
  firstLine,
  type Ort,
  openSession,
  type Session,
  type SlotSpec,
  type Values,
} from './onnx-session.ts';
import { DEFAULT_SETTINGS, type OnnxSettings } from './settings.ts';

let loaded: Promise<Ort> | undefined;

/** Loads the runtime, about 60 ms. Its telemetry is on unless this variable is set before the library is loaded. */
function runtime(): Promise<Ort> {
  process.env.ORT_DISABLE_TELEMETRY = '1';
  loaded ??= import('onnxruntime-node');
  return loaded;
}

const ORT_TYPES: Readonly<Record<Datatype, OrtTensor.Type>> = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
};
const DATATYPES = new Map(Object.entries(ORT_TYPES).map(([datatype, type]) => [type, datatype as Datatype]));

/**
 * ONNX models by onnxruntime, on the CPU with one thread per model unless `settings` say otherwise. `run` blocks its
 * JavaScript thread while it computes.
 * @param native finds out how to make sessions of the native side; where it answers undefined, the library's public
 *   interface is used
 */
export function createOnnxRunner(
  settings: OnnxSettings = DEFAULT_SETTINGS.onnx,
  native = nativeSessions,
): ModelRunner {
  return {
    runtime: 'onnx',
    async prepare() {
      await runtime();
    },
    async load(file) {
      if (!existsSync(file)) throw new GatewayError('MODEL_FILE', `${file}: there is no such file`);
      const ort = await runtime();
      return loadedModel(ort, await openSession(ort, native(), file, settings));
    },
  };
}

function loadedModel(ort: Ort, session: Session): LoadedModel {
  const { runNow } = session;
  const coded = (error: unknown): GatewayError =>
    new GatewayError('MODEL_RUN', firstLine(error), { cause: error });
  const shared = {
    inputs: session.inputs.map(specOf),
    outputs: session.outputs.map(specOf),
    dispose: session.release,
  };
  if (!runNow)
    return {
      ...shared,
      async run(given) {
        const feeds = feedsOf(ort, given);
        return valuesOf(await session.run(feeds).catch((error: unknown) => Promise.reject(coded(error))));
      },
    };
  const now = (given: Readonly<Record<string, Tensor>>): Record<string, Tensor> => {
    const feeds = feedsOf(ort, given);
    let values: Values;
    try {
      values = runNow(feeds);
    } catch (error) {
      throw coded(error);
    }
    return valuesOf(values);
  };
  return { ...shared, run: async (given) => now(given), runNow: now };
}

function feedsOf(ort: Ort, given: Readonly<Record<string, Tensor>>): Values {
  const feeds: Values = {};
  for (const name in given) feeds[name] = toOrt(ort, name, given[name]!);
  return feeds;
}

function valuesOf(values: Values): Record<string, Tensor> {
  const out: Record<string, Tensor> = {};
  for (const name in values) out[name] = fromOrt(name, values[name]!);
  return out;
}

/** Slots that are not tensors (sequences, optionals, maps) cannot be named in Open Inference Protocol terms. */
function specOf({ name, type, shape }: SlotSpec): TensorSpec {
  const datatype = type && DATATYPES.get(type);
  if (datatype) return { name, datatype, shape };
  throw new GatewayError('MODEL_LOAD', `"${name}" is not a tensor of a datatype the gateway knows`);
}

function toOrt(ort: Ort, name: string, { datatype, shape, data }: Tensor): OrtTensor {
  try {
    if (isBytes(data)) return new ort.Tensor('string', texts(name, data), shape);
    const tensor = new ort.Tensor(ORT_TYPES[datatype] as 'float32', data as Float32Array, shape);
    // Where there is a Float16Array onnxruntime makes one of the bits, and its own native side cannot read that.
    if (datatype === 'FP16') Object.assign(tensor, { cpuData: data });
    return tensor;
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw new GatewayError('MODEL_SHAPE', `input "${name}": ${firstLine(error)}`, {
      received: { datatype, shape, values: data.length },
      cause: error,
    });
  }
}

function fromOrt(name: string, tensor: OrtTensor): Tensor {
  const datatype = DATATYPES.get(tensor.type);
  if (!datatype)
    throw new GatewayError(
      'MODEL_OUTPUT',
      `output "${name}" is not a tensor of a datatype the gateway knows`,
    );
  return {
    datatype,
    shape: tensor.dims,
    data: dataOf(datatype, tensor.data),
  };
}

function dataOf(datatype: Datatype, data: OrtTensor.DataType): TensorData {
  if (datatype === 'FP16') return halfBits(data);
  if (datatype === 'BYTES') return (data as string[]).map((text) => new TextEncoder().encode(text));
  return data as TensorData;
}

/** The library takes text only, so bytes that are none cannot be given to it unchanged. */
function texts(name: string, data: readonly Uint8Array[]): string[] {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return data.map((bytes, i) => {
    try {
      return decoder.decode(bytes);
    } catch (error) {
      throw new GatewayError('MODEL_SHAPE', `input "${name}": element ${i} is not UTF-8 text`, {
        expected: 'UTF-8',
        cause: error,
      });
    }
  });
}

/** The library gives FP16 as Float16Array where JavaScript has it; the port carries its bits. */
function halfBits(data: OrtTensor.DataType): Uint16Array {
  const view = data as unknown as Uint16Array;
  return view instanceof Uint16Array
    ? view
    : new Uint16Array(
        (view as Uint8Array).buffer,
        (view as Uint8Array).byteOffset,
        (view as Uint8Array).length,
      );
}
