import type { NumericArray } from './reading.ts';

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
}

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
}
