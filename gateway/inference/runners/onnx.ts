import { existsSync } from 'node:fs';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { GatewayError } from '../../errors.ts';
import type { LoadedModel, ModelRunner } from '../../ports/model-runner.ts';
import type { Datatype, Tensor, TensorData, TensorSpec } from '../../ports/tensor.ts';
import { isBytes } from '../tensor-data.ts';
import { DEFAULT_SETTINGS, type OnnxSettings } from './settings.ts';

type Ort = typeof import('onnxruntime-node');
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

const SESSION: InferenceSession.SessionOptions = {
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  // Errors come back as exceptions; what the library would print besides is noise.
  logSeverityLevel: 4,
  // A pool thread that spins takes the second core of a small board.
  extra: {
    session: {
      intra_op: { allow_spinning: '0' },
      inter_op: { allow_spinning: '0' },
      // Packed copies of weights make matrix products of few rows faster, and loading take twice the memory.
      ...(process.env.AIMX_SHORT_OF_MEMORY === '1' ? { disable_prepacking: '1' } : {}),
    },
  },
};

/**
 * ONNX models by onnxruntime, on the CPU with one thread per model unless `settings` say otherwise. `run` blocks its
 * JavaScript thread while it computes.
 */
export function createOnnxRunner(settings: OnnxSettings = DEFAULT_SETTINGS.onnx): ModelRunner {
  return {
    runtime: 'onnx',
    async load(file) {
      if (!existsSync(file)) throw new GatewayError('MODEL_FILE', `${file}: there is no such file`);
      const ort = await runtime();
      checkProviders(ort, settings.providers);
      const session = await open(ort, file, settings);
      return loadedModel(ort, session);
    },
  };
}

async function open(ort: Ort, file: string, { providers, threads }: OnnxSettings): Promise<InferenceSession> {
  const create = (executionProviders: readonly string[]): Promise<InferenceSession> =>
    ort.InferenceSession.create(file, {
      ...SESSION,
      executionProviders: [...executionProviders],
      intraOpNumThreads: threads,
    });
  try {
    return await create(providers);
  } catch (error) {
    const bad = new GatewayError('MODEL_LOAD', `${file}: ${firstLine(error)}`, { cause: error });
    if (providers.every((name) => name === 'cpu')) throw bad;
    // A file that the processor takes is not at fault: a library or a device of the provider is missing.
    const session = await create(['cpu']).catch(() => Promise.reject(bad));
    await session.release();
    throw notStarting(providers, firstLine(error), error);
  }
}

function notStarting(providers: readonly string[], reason: string, cause: unknown): GatewayError {
  return new GatewayError(
    'MODEL_RUNTIME',
    `onnxruntime cannot start ${providers.join(', ')} on this machine: ${reason}`,
    {
      received: providers,
      expected: 'cpu, or providers whose libraries and device are here',
      fix: 'Install the libraries of the provider beside onnxruntime-node and its driver, set models.onnx.providers: [cpu], or run the model on a server with runtime: remote.',
      cause,
    },
  );
}

/** Throws MODEL_RUNTIME unless the installed library was built with each of them. */
function checkProviders(ort: Ort, providers: readonly string[]): void {
  const built = ort.listSupportedBackends().map(({ name }) => name);
  const absent = providers.filter((name) => !built.includes(name));
  if (absent.length === 0) return;
  throw new GatewayError(
    'MODEL_RUNTIME',
    `the installed onnxruntime-node has no execution provider ${absent.join(', ')}`,
    {
      received: providers,
      expected: built.join(', '),
      fix: `Set models.onnx.providers to some of ${built.join(', ')}, install a build of onnxruntime-node that has ${absent.join(' and ')}, or run the model on a server with runtime: remote.`,
    },
  );
}

function loadedModel(ort: Ort, session: InferenceSession): LoadedModel {
  const inputs = session.inputMetadata.map(specOf);
  const outputs = session.outputMetadata.map(specOf);
  return {
    inputs,
    outputs,
    async run(given) {
      const feeds: Record<string, OrtTensor> = {};
      for (const name in given) feeds[name] = toOrt(ort, name, given[name]!);
      let results: InferenceSession.OnnxValueMapType;
      try {
        results = await runNow(session, feeds);
      } catch (error) {
        throw new GatewayError('MODEL_RUN', firstLine(error), { cause: error });
      }
      const out: Record<string, Tensor> = {};
      for (const name in results) out[name] = fromOrt(name, results[name] as OrtTensor);
      return out;
    },
    dispose: () => session.release(),
  };
}

/**
 * The library puts each run off to the next turn of the event loop, which costs more than a small model. The model host
 * does one thing at a time and has nobody to give that turn to.
 */
function runNow(
  session: InferenceSession,
  feeds: Record<string, OrtTensor>,
): Promise<InferenceSession.OnnxValueMapType> {
  const later = globalThis.setImmediate;
  globalThis.setImmediate = ((task: () => void) => task()) as unknown as typeof setImmediate;
  try {
    return session.run(feeds);
  } finally {
    globalThis.setImmediate = later;
  }
}

/** Slots that are not tensors (sequences, optionals, maps) cannot be named in Open Inference Protocol terms. */
function specOf(metadata: InferenceSession.ValueMetadata): TensorSpec {
  const datatype = metadata.isTensor ? DATATYPES.get(metadata.type) : undefined;
  if (!metadata.isTensor || !datatype)
    throw new GatewayError(
      'MODEL_LOAD',
      `"${metadata.name}" is not a tensor of a datatype the gateway knows`,
    );
  return {
    name: metadata.name,
    datatype,
    shape: metadata.shape.map((d) => (typeof d === 'number' ? d : -1)),
  };
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

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 500);
