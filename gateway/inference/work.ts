import type { Priority } from '../ports/inference.ts';
import type { Tensor } from '../ports/tensor.ts';
import type { Reply } from './batch.ts';
import type { Model } from './model.ts';

/** Who asks, and until when. */
export interface Terms {
  readonly priority: Priority;
  readonly account: string;
  /** Monotonic ms. */
  readonly since: number;
  readonly deadline: number;
}

/**
 * What one call asks of a model: units that are answered one by one. Units of equal `format` share runs. A unit is a
 * window, or a whole call with tensors, which may have several rows.
 */
export interface Work extends Terms {
  readonly model: Model;
  /** Equal for tensors that can be put together along dimension 0. */
  readonly format: string;
  readonly units: number;
  /** Rows of each unit. */
  readonly rows: number;
  /** Rows to find room for before it may wait; 0 when that has been done for it. */
  readonly asks: number;
  /** Bytes of each unit's inputs, about. */
  readonly unitBytes: number;
  /** First unit that has not been taken into a batch. */
  next: number;
  /** Monotonic ms at which its last units went to a host. */
  sentAt: number;
  /** Whether its answer must come by the deadline even when a host is at it. */
  readonly strict: boolean;

  /** Bytes of data of an input, of some units. */
  inputBytes(input: number, from: number, to: number): number;
  /** The tensor of an input, of its shape when `rows` rows are put together. */
  shape(input: number, rows: number): readonly number[];
  datatype(input: number): Tensor['datatype'];
  /** Writes data of an input of some units; answers the offset behind it. */
  writeInput(input: number, from: number, to: number, buffer: ArrayBuffer, offset: number): number;
  /** Writes a state slot of some units from `at` on; values that it has not are zeros. */
  writeState(slot: number, from: number, to: number, values: Float32Array, at: number): void;
  /** Bits of the results it wants. */
  readonly wanted: number;

  answered(unit: number): boolean;
  /** Takes the answers of some units, whose rows begin at `row` of the reply. */
  answer(from: number, to: number, reply: Reply, row: number): void;
  /** Answers a unit with a code; the first answer counts. Returns whether it was that. */
  fail(unit: number, code: string, message: string): boolean;
}

/** Neighbouring units of one work. */
export interface Segment {
  readonly work: Work;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

export function rowsIn(segments: readonly Segment[]): number {
  let rows = 0;
  for (const { work, from, to } of segments) rows += (to - from) * work.rows;
  return rows;
}

export function unitsIn(segments: readonly Segment[]): number {
  let units = 0;
  for (const { from, to } of segments) units += to - from;
  return units;
}

/** Answers one unit with a code and counts it. */
export function failUnit(work: Work, unit: number, code: string, message: string): void {
  if (work.fail(unit, code, message)) work.model.noteFailure(work.priority, code);
}

/** Message of a missed deadline. */
export const late = ({ model, since }: Work, now: number): string =>
  `waited ${Math.round(now - since)} ms for ${model.key}`;
