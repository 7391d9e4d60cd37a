import type { NumericArray } from './reading.ts';
import type { Tensor, TensorSpec } from './tensor.ts';

/** What the core needs to know about a model that serves. */
export interface ModelInfo {
  readonly name: string;
  readonly version: string;
  /** Hex SHA-256 of the model file. */
  readonly sha256: string;
  /** Stream fields the model wants as columns, in order; empty when it takes whatever one column it is given. */
  readonly features: readonly string[];
  /** Rows of one window the model expects; undefined when free. */
  readonly rows: number | undefined;
  /** Whether per-device state travels between calls (recurrent models). */
  readonly recurrent: boolean;
  readonly maxBatch: number;
  /**
   * What a caller gives and gets by name: the tensors before the bundle's preprocessing and after its postprocessing.
   * For a bundle without either these are the model file's own inputs and outputs. -1 stands for a free dimension.
   */
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** Which model an answer came from. */
export interface ModelIdentity {
  readonly name: string;
  readonly version: string;
  /** Hex SHA-256 of the model file. */
  readonly sha256: string;
}

/** Who goes first when models are busy: pipelines, then callers who wait for the answer, then the rest. */
export type Priority = 'pipeline' | 'interactive' | 'bulk';

/** One call with tensors, as the Open Inference Protocol has it. */
export interface TensorRequest {
  /** Every input of {@link ModelInfo.inputs} by name, but state of a sequence. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Outputs wanted; absent: all. */
  readonly outputs?: readonly string[];
  readonly priority: Priority;
  /** Whose share of a busy model it takes; equal accounts get equal shares within a priority. */
  readonly account: string;
  /** Milliseconds from now, see {@link RunOptions.deadline}. */
  readonly deadline?: number;
  /** Calls of one sequence share the state of a recurrent model, in the order they come. */
  readonly sequence?: { readonly id: string; readonly start: boolean; readonly end: boolean };
  /** What decides between the versions of a model under canary: a device or a request id. */
  readonly routeKey?: string;
}

/** How one call ended. `model` is absent when none was found. */
export type TensorAnswer =
  | {
      readonly ok: true;
      readonly model: ModelIdentity;
      readonly outputs: Readonly<Record<string, Tensor>>;
      /** This call's share of the model's compute time, and its wait before it, in microseconds. */
      readonly computeUs: number;
      readonly queueUs: number;
    }
  | {
      readonly ok: false;
      readonly model: ModelIdentity | undefined;
      readonly code: string;
      readonly message: string;
    };

/** One window for a model: row-major `[rows, features]` values. */
export interface ModelInput {
  /** State of recurrent models is kept per `pipeline` and `key` by the caller; absent at first and for others. */
  readonly state: ModelState | undefined;
  /** `rows × columns` values, row-major. */
  readonly window: Float32Array | Float64Array | NumericArray;
  readonly rows: number;
  readonly columns: number;
}

/** Opaque per-device state of a recurrent model: name → values. The caller stores and returns it. */
export type ModelState = Readonly<Record<string, Float32Array>>;

/** Output by name: a number, a label, or numbers in row-major order. */
export type OutputValue = number | string | boolean | readonly number[];

export interface ModelOutput {
  readonly outputs: Readonly<Record<string, OutputValue>>;
  readonly state: ModelState | undefined;
  /** This item's share of the model's compute time in microseconds. */
  readonly computeUs: number;
}

/** How one item ended: its output, or a coded reason why there is none (poison input, deadline, bad shape). */
export type ModelAnswer =
  | { readonly ok: true; readonly output: ModelOutput }
  | { readonly ok: false; readonly code: string; readonly message: string };

export interface RunOptions {
  /** Milliseconds from now; items the model has not come to by then are answered `DEADLINE` and not computed. */
  readonly deadline?: number;
  /**
   * When the queue before the models is full: `wait` (default; the promise resolves later, so a caller with a bounded
   * number of calls outstanding is slowed down) or `refuse` (answered `QUEUE_FULL` at once, for callers from outside).
   */
  readonly whenFull?: 'wait' | 'refuse';
}

/** The core's view of the model host. */
export interface Inference {
  /** Resolves `name` or `name@version`. Throws a coded error listing what is installed when it is absent. */
  model(reference: string): ModelInfo;
  /**
   * Runs a batch and answers every item in order. Survives a crash of the host: items in flight run again on the
   * next one; an item that takes the host down twice is answered as poison. Rejects only when stopping.
   */
  run(reference: string, items: readonly ModelInput[], options?: RunOptions): Promise<ModelAnswer[]>;
  /**
   * Answers one call with tensors: the path of {@link run} without windows. Refused at once with `QUEUE_FULL` when too
   * much waits. Never rejects but when stopping.
   */
  infer(reference: string, request: TensorRequest): Promise<TensorAnswer>;
  /** Installed versions of a model, the one that serves first; empty when there is none of this name. */
  versions(name: string): readonly string[];
  /** Whether a reference would be answered now: found, not refused. Loading on demand counts as ready. */
  ready(reference: string): boolean;
}
