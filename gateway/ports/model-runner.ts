import type { Tensor, TensorSpec } from './tensor.ts';

/** A model made ready by a runner, inside the model host process. */
export interface LoadedModel {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Runs once on complete named inputs. Rejects with a coded error; never ends the process on purpose. */
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  /** The same at once, of runtimes that compute on the thread that asks anyway: small models cost less than a promise. */
  runNow?(inputs: Readonly<Record<string, Tensor>>): Record<string, Tensor>;
  dispose(): Promise<void>;
}

/** A runtime that can load model files: `onnx` today; `tfjs` and `remote` fit the same port. */
export interface ModelRunner {
  readonly runtime: string;
  /** Loads the library, which the first model would do else; rejects with a coded error when it is missing. */
  prepare(): Promise<void>;
  /** Loads the file; rejects with a coded error that says what is wrong with it. */
  load(file: string): Promise<LoadedModel>;
}
