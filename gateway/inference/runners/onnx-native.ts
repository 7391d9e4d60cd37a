import { createRequire } from 'node:module';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';

type Named<T> = Readonly<Record<string, T>>;

/** A slot of a model as the native side tells it; `type` is a `TensorProto.DataType` of ONNX. */
export interface NativeSlot {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type: number;
  readonly shape: readonly number[];
}

/** The native side of onnxruntime-node, which computes on the calling thread. All of it throws plain errors. */
export interface NativeSession {
  readonly inputMetadata: readonly NativeSlot[];
  readonly outputMetadata: readonly NativeSlot[];
  loadModel(file: string, options: InferenceSession.SessionOptions): void;
  run(feeds: Named<OrtTensor>, fetches: Named<null>, options: object): Named<OrtTensor>;
  dispose(): void;
}

interface Library {
  readonly binding?: { readonly InferenceSession?: new () => NativeSession };
  readonly initOrt?: () => void;
}

const METHODS = ['loadModel', 'run', 'dispose'] as const;

/**
 * Makes sessions of the native side without the library's own JavaScript, which puts each run off to the next turn of
 * the event loop and wraps it in promises: that costs more than a small model. It is no public interface, so undefined
 * when the installed version has none of this shape; the public one must do then.
 */
export function nativeSessions(): (() => NativeSession) | undefined {
  const library = load();
  const Session = library?.binding?.InferenceSession;
  const start = library?.initOrt;
  if (typeof Session !== 'function' || typeof start !== 'function') return undefined;
  const prototype = Session.prototype as Partial<NativeSession> | undefined;
  if (!prototype || METHODS.some((name) => typeof prototype[name] !== 'function')) return undefined;
  return () => {
    start();
    return new Session();
  };
}

function load(): Library | undefined {
  try {
    return createRequire(import.meta.url)('onnxruntime-node/dist/binding.js') as Library;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'MODULE_NOT_FOUND' || code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return undefined;
    throw error;
  }
}
