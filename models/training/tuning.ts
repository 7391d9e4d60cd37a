import type { Random } from './random.ts';

/** A window of one device as the journal gave it. */
export interface DeviceWindow {
  readonly device: string;
  /** Event time of its last reading, in milliseconds. */
  readonly time: number;
  /** Row-major. */
  readonly values: Float32Array;
  /** What somebody said it was. */
  readonly label?: string;
  /** What the model that is tuned answers to it. */
  readonly answer: Float32Array;
}

/** A window with the answer to be learnt. */
export interface Example {
  readonly values: Float32Array;
  readonly target: Float32Array;
}

/** One dense layer of the network, in the order of the graph. */
export interface LayerShape {
  readonly rows: number;
  readonly columns: number;
  readonly activation: 'relu' | 'sigmoid' | 'softmax';
}

/**
 * What fine-tuning a bundle on a device needs to know of it: `tune.ts` beside the bundle exports it as `tuning`. The
 * network is dense layers over features; the features stay as they are.
 */
export interface Tuning {
  /** Columns by name; empty for any one column. */
  readonly columns: readonly string[];
  readonly rows: number;
  /** Readings between the beginnings of two windows. */
  readonly hop: number;
  readonly features: number;
  readonly layers: readonly LayerShape[];
  /** Fewest windows of the device, and fewest examples made of them, that are worth learning from. */
  readonly leastWindows: number;
  readonly leastExamples: number;
  /** Names of the outputs, for labels. */
  readonly labels?: readonly string[];
  /** How examples come about, for the card. */
  readonly method: string;
  /** What tuning cannot do, for the card. */
  readonly limits: string;
  writeFeatures(window: Float32Array, out: Float32Array, at: number): void;
  /** Examples from the windows of one stretch of time, in order of time per device. */
  examples(windows: readonly DeviceWindow[], random: Random): Example[];
  /** Fresh generated examples that keep what the model knew. */
  rehearsal(random: Random, count: number): Example[];
  /** Figures that must not get worse on generated samples. */
  readonly keeps: readonly string[];
  /** Figures of answers to examples, each better when larger. */
  figures(examples: readonly Example[], answers: readonly Float32Array[]): Record<string, number>;
}
