import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { GatewayError } from '../../errors.ts';
import type { NativeSession, NativeSlot } from './onnx-native.ts';
import type { OnnxSettings } from './settings.ts';

export type Ort = typeof import('onnxruntime-node');

/** Tensors of the library by name. */
export type Values = Record<string, OrtTensor>;

export interface SlotSpec {
  readonly name: string;
  /** Undefined when it is no tensor, or one of a type that has no name. */
  readonly type: OrtTensor.Type | undefined;
  /** -1 for free dimensions. */
  readonly shape: readonly number[];
}

/** A model file open in onnxruntime. Errors are the library's own. */
export interface Session {
  readonly inputs: readonly SlotSpec[];
  readonly outputs: readonly SlotSpec[];
  run(feeds: Values): Promise<Values>;
  /** The same on the calling thread, before it returns; absent where the library gives only its public interface. */
  runNow?(feeds: Values): Values;
  release(): Promise<void>;
}

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

/** Opens a file. Rejects with MODEL_RUNTIME when a provider is absent or does not start, MODEL_LOAD when the file is bad. */
export async function openSession(
  ort: Ort,
  native: (() => NativeSession) | undefined,
  file: string,
  { providers, threads }: OnnxSettings,
): Promise<Session> {
  checkProviders(ort, providers);
  const create = async (executionProviders: readonly string[]): Promise<Session> => {
    const options = { ...SESSION, executionProviders: [...executionProviders], intraOpNumThreads: threads };
    return native
      ? nativeSession(native(), file, options)
      : publicSession(await ort.InferenceSession.create(file, options));
  };
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

function nativeSession(
  session: NativeSession,
  file: string,
  options: InferenceSession.SessionOptions,
): Session {
  session.loadModel(file, options);
  const outputs = session.outputMetadata.map(nativeSpec);
  const fetches = Object.fromEntries(outputs.map(({ name }) => [name, null]));
  const nothing = {};
  const runNow = (feeds: Values): Values => session.run(feeds, fetches, nothing);
  return {
    inputs: session.inputMetadata.map(nativeSpec),
    outputs,
    run: async (feeds) => runNow(feeds),
    runNow,
    release: async () => session.dispose(),
  };
}

function publicSession(session: InferenceSession): Session {
  return {
    inputs: session.inputMetadata.map(publicSpec),
    outputs: session.outputMetadata.map(publicSpec),
    run: async (feeds) => (await session.run(feeds)) as Values,
    release: () => session.release(),
  };
}

/** Names of `TensorProto.DataType` of ONNX, by number. */
const TYPES: readonly (OrtTensor.Type | undefined)[] = [
  undefined,
  'float32',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'float64',
  'uint32',
  'uint64',
];

const nativeSpec = ({ name, isTensor, type, shape }: NativeSlot): SlotSpec => ({
  name,
  type: isTensor ? TYPES[type] : undefined,
  shape: isTensor ? [...shape] : [],
});

const publicSpec = (slot: InferenceSession.ValueMetadata): SlotSpec => ({
  name: slot.name,
  type: slot.isTensor ? slot.type : undefined,
  shape: slot.isTensor ? slot.shape.map((d) => (typeof d === 'number' ? d : -1)) : [],
});

/** The first line of what the library says. */
export const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 500);
