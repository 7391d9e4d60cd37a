import type { Tensor, TensorSpec } from './tensor.ts';

/** What the core needs to know about a model that serves. */
export interface ModelInfo {
  readonly name: string;
  readonly version: string;
  /** Hex SHA-256 of the model file. */
  readonly sha256: string;
  /** Stream fields the model wants as columns, in order; empty when it takes whatever one column it is given. */
  readonly features: readonly string[];
  /** For a model without features that takes several columns: how many. */
  readonly columns?: { readonly min: number; readonly max: number };
  /** Rows of one window the model expects; undefined when free. */
  readonly rows: number | undefined;
  /** Whether per-device state travels between calls (recurrent models). */
  readonly recurrent: boolean;
  readonly maxBatch: number;
  /** Set for a model without windows: its inputs are given by name, through {@link Inference.infer} alone. */
  readonly byName?: true;
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
  /** Milliseconds from now; then it is answered `DEADLINE` whatever happens. Default: what the manifest says. */
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

/** Windows of one size for one model. */
export interface WindowBatch {
  readonly rows: number;
  readonly columns: number;
  /** Row-major `rows × columns` values each. They stay as they are until the answer has come. */
  readonly windows: readonly (Float64Array | Float32Array)[];
  /** Per window of a recurrent model what the last answer to its device left; undefined at first. */
  readonly states?: readonly (ModelState | undefined)[];
  /** SHA-256 of the model that left them: another version begins without. Absent: whoever answers takes them. */
  readonly statesOf?: string;
}

/** Opaque per-device state of a recurrent model: name → values. The caller stores and returns it. */
export type ModelState = Readonly<Record<string, Float32Array>>;

/** Output by name: a number, a label, or a list of either in row-major order. */
export type OutputValue = number | string | boolean | readonly number[] | readonly string[];

/** One output of several windows, all values finite. */
export interface OutputColumn {
  readonly name: string;
  readonly kind: 'numbers' | 'label' | 'boolean' | 'text';
  /** For `label` what each number stands for; for `text` the values themselves. */
  readonly labels: readonly string[] | undefined;
  /** Whether the numbers are float32, so that nine digits tell them apart. */
  readonly single: boolean;
  /** Values of each window. */
  readonly per: number;
  /** One window after the other; labels and texts by their place, booleans as 0 and 1. */
  readonly data: Float32Array | Float64Array;
}

/** Outputs of neighbouring windows that were computed together. */
export interface AnsweredPart {
  /** First window, by its place in the batch. */
  readonly from: number;
  /** Behind the last one. */
  readonly to: number;
  readonly columns: readonly OutputColumn[];
  /** New state of the part's window `i` (0 is `from`); undefined for models without. */
  readonly states: ((i: number) => ModelState) | undefined;
  /** Each window's share of the model's compute time in microseconds. */
  readonly computeUs: number;
}

/** Why there is no output of a window: poison input, deadline, a number that is not finite. */
export interface WindowFailure {
  readonly index: number;
  readonly code: string;
  readonly message: string;
}

/** What became of a batch: each window is in one part or has failed. */
export interface BatchAnswer {
  /** The version that answered. */
  readonly model: ModelInfo;
  /** In the order of the windows. */
  readonly parts: readonly AnsweredPart[];
  readonly failures: readonly WindowFailure[];
}

export interface RunOptions {
  /** Whose share of a busy model it takes. */
  readonly account: string;
  /** Milliseconds from now; windows the model has not come to by then are answered `DEADLINE` and not computed. */
  readonly deadline?: number;
  /** What decides between the versions of a model under canary; all windows of the batch go where it does. */
  readonly routeKey?: string;
}

/** The core's view of the model host. */
export interface Inference {
  /** Resolves `name` or `name@version`. Throws a coded error listing what is installed when it is absent. */
  model(reference: string): ModelInfo;
  /** The version that answers a route key now: the one of {@link model}, or a canary. Throws as {@link model} does. */
  route(reference: string, routeKey: string): ModelInfo;
  /**
   * Runs windows before everything else and answers each. Survives a crash of the host: what was in it runs again on
   * the next one; a window that takes the host down twice is answered as poison. Callers wait when much is under way:
   * they bound themselves. Rejects when stopping, and with MODEL_SHAPE when the model takes no windows of this size.
   */
  run(reference: string, batch: WindowBatch, options: RunOptions): Promise<BatchAnswer>;
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
