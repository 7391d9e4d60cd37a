import { GatewayError } from '../errors.ts';
import type {
  AnsweredPart,
  BatchAnswer,
  ModelState,
  OutputColumn,
  Priority,
  WindowBatch,
  WindowFailure,
} from '../ports/inference.ts';
import type { Reply } from './batch.ts';
import { ALL } from './frames.ts';
import type { Model } from './model.ts';
import { type ModelPlan, rangeOf } from './plan.ts';
import { fillShape } from './shapes.ts';
import { failUnit, type Terms, type Work } from './work.ts';

/** The shape that windows have in a frame. Throws MODEL_SHAPE when the model cannot take windows of this size. */
function windowShape(plan: ModelPlan, count: number, rows: number, columns: number): readonly number[] {
  if (plan.preprocess.length > 0) return [count, rows, columns];
  return fillShape(plan.window!.shape, { count, rows, columns });
}

/** Throws MODEL_SHAPE unless a model takes windows of this size. */
export function checkWindows(
  { bundle, plan, key }: Model,
  { rows, columns, windows, states }: WindowBatch,
): void {
  const { rows: wanted } = bundle.manifest;
  if (!plan.window) throw misfit(`${key} takes no windows`, `${rows} × ${columns}`, 'tensors');
  if (columns < plan.minColumns || columns > plan.columns || rows < 1 || (wanted ?? rows) !== rows) {
    const expected = `${wanted ?? 'any'} rows × ${rangeOf(plan)} columns`;
    throw misfit(
      `${key} takes windows of ${expected}, got ${rows} × ${columns}`,
      `${rows} × ${columns}`,
      expected,
    );
  }
  const size = rows * columns;
  if (size * 8 > plan.maxTensorBytes)
    throw misfit(`a window of ${size} values is larger than limits.maxTensorBytes of ${key}`, size, 'less');
  for (let i = 0; i < windows.length; i++) {
    const { length } = windows[i]!;
    if (length !== size) throw misfit(`a window of ${rows} × ${columns} has ${length} values`, length, size);
    const state = states?.[i];
    if (state) checkState(key, plan, state);
  }
}

function checkState(key: string, plan: ModelPlan, state: ModelState): void {
  for (const { name, size } of plan.slots) {
    const length = state[name]?.length;
    if (length !== size)
      throw misfit(`state "${name}" of ${key} has ${size} values, got ${length ?? 'none'}`, length, size);
  }
}

const misfit = (message: string, received: unknown, expected: unknown): GatewayError =>
  new GatewayError('MODEL_SHAPE', message, { received, expected: String(expected) });

/** Windows of one size, each a unit of one row. */
export class WindowWork implements Work {
  readonly model: Model;
  readonly priority: Priority;
  readonly account: string;
  readonly since: number;
  readonly deadline: number;
  readonly format: string;
  readonly units: number;
  readonly rows = 1;
  readonly asks: number;
  readonly unitBytes: number;
  readonly wanted = ALL;
  readonly strict = false;
  next = 0;
  sentAt = 0;
  readonly #batch: WindowBatch;
  readonly #size: number;
  readonly #shape: readonly number[];
  /** Units that have failed; made when the first does. */
  #failed: Uint8Array | null = null;
  #open: number;
  readonly #parts: AnsweredPart[] = [];
  readonly #failures: WindowFailure[] = [];
  readonly #resolve: (answer: BatchAnswer) => void;

  /** Throws MODEL_SHAPE when the model cannot take windows of this size. */
  constructor(model: Model, batch: WindowBatch, terms: Terms, resolve: (answer: BatchAnswer) => void) {
    const { plan } = model;
    const { windows, rows, columns } = batch;
    this.model = model;
    this.priority = terms.priority;
    this.account = terms.account;
    this.since = terms.since;
    this.deadline = terms.deadline;
    this.units = windows.length;
    this.asks = windows.length;
    this.#batch = batch;
    this.#size = rows * columns;
    this.#shape = windowShape(plan, 1, rows, columns);
    this.format = formatOf(plan.wire, this.#shape);
    this.unitBytes = this.#size * (plan.wire === 'FP64' ? 8 : 4);
    this.#open = windows.length;
    this.#resolve = resolve;
  }

  datatype(): 'FP32' | 'FP64' {
    return this.model.plan.wire;
  }

  shape(_: number, rows: number): readonly number[] {
    return rows === 1 ? this.#shape : [rows, ...this.#shape.slice(1)];
  }

  inputBytes(_: number, from: number, to: number): number {
    return (to - from) * this.unitBytes;
  }

  writeInput(_: number, from: number, to: number, buffer: ArrayBuffer, offset: number): number {
    const { windows } = this.#batch;
    const size = this.#size;
    const length = (to - from) * size;
    const target =
      this.model.plan.wire === 'FP64'
        ? new Float64Array(buffer, offset, length)
        : new Float32Array(buffer, offset, length);
    for (let i = from, at = 0; i < to; i++, at += size) copy(windows[i]!, target, at, size);
    return offset + target.byteLength;
  }

  writeState(slot: number, from: number, to: number, values: Float32Array, at: number): void {
    writeStates(this.model.plan, slot, this.#batch.states, from, to, values, at);
  }

  answered(unit: number): boolean {
    return this.#failed?.[unit] === 1 || this.#parts.some(({ from, to }) => from <= unit && unit < to);
  }

  answer(from: number, to: number, reply: Reply, row: number): void {
    const { plan } = this.model;
    const columns = columnsOf(plan, reply, row, to - from);
    if (firstBad(columns, to - from) === to - from && this.#failures.length === 0) {
      this.#take(from, to, columns, reply, row);
      return;
    }
    for (let unit = from; unit < to; unit++) {
      if (this.answered(unit)) continue;
      const place = unit - from;
      const one = columnsOf(plan, reply, row + place, 1);
      if (firstBad(one, 1) === 1) this.#take(unit, unit + 1, one, reply, row + place);
      else failUnit(this, unit, 'MODEL_OUTPUT', `${this.model.key} gave a number that is not finite`);
    }
  }

  #take(from: number, to: number, columns: readonly OutputColumn[], reply: Reply, row: number): void {
    const { plan } = this.model;
    const { rowUs: computeUs, slots } = reply;
    const states = slots.length > 0 ? (i: number) => stateOf(plan, slots, row + i) : undefined;
    this.#parts.push({ from, to, columns, states, computeUs });
    this.#close(to - from);
  }

  fail(unit: number, code: string, message: string): boolean {
    if (this.answered(unit)) return false;
    this.#failed ??= new Uint8Array(this.units);
    this.#failed[unit] = 1;
    this.#failures.push({ index: unit, code, message });
    this.#close(1);
    return true;
  }

  #close(count: number): void {
    this.#open -= count;
    if (this.#open > 0) return;
    this.#parts.sort((a, b) => a.from - b.from);
    this.#failures.sort((a, b) => a.index - b.index);
    this.#resolve({ model: this.model.info, parts: this.#parts, failures: this.#failures });
  }
}

/** Equal for tensors that can be put together along dimension 0. */
export const formatOf = (datatype: string, shape: readonly number[]): string =>
  `${datatype}x${shape.slice(1).join('x')}`;

/** Short windows are copied by hand: calling `set` costs more than their values. */
const SHORT = 64;

function copy(
  from: WindowBatch['windows'][number],
  to: Float32Array | Float64Array,
  at: number,
  size: number,
): void {
  if (size > SHORT) to.set(from, at);
  else if (from instanceof Float64Array) for (let i = 0; i < size; i++) to[at + i] = from[i]!;
  else for (let i = 0; i < size; i++) to[at + i] = from[i]!;
}

/** State that is absent is zeros; the buffer may hold what was sent before. */
export function writeStates(
  { slots }: ModelPlan,
  slot: number,
  states: readonly (ModelState | undefined)[] | undefined,
  from: number,
  to: number,
  values: Float32Array,
  start: number,
): void {
  const { name, size } = slots[slot]!;
  for (let i = from, at = start; i < to; i++, at += size) {
    const state = states?.[i]?.[name];
    if (state) values.set(state, at);
    else values.fill(0, at, at + size);
  }
}

/** A copy of the state of one row. */
export function stateOf({ slots }: ModelPlan, values: readonly Float32Array[], row: number): ModelState {
  const state: Record<string, Float32Array> = {};
  slots.forEach(({ name, size }, i) => {
    state[name] = values[i]!.slice(row * size, (row + 1) * size);
  });
  return state;
}

function columnsOf(plan: ModelPlan, reply: Reply, row: number, count: number): OutputColumn[] {
  const { results } = plan;
  const columns = new Array<OutputColumn>(results.length);
  for (let i = 0; i < results.length; i++) {
    const { name, kind, labels, wide, datatype, source } = results[i]!;
    const all = reply.numbers(i);
    const per = all.length / reply.rows;
    const data = count === reply.rows ? all : all.subarray(row * per, (row + count) * per);
    columns[i] =
      datatype === 'BYTES' && source !== undefined
        ? { name, kind: 'text', labels: reply.texts(i), single: false, per, data }
        : { name, kind, labels, single: !wide, per, data };
  }
  return columns;
}

/** The first row with a value that is not a finite number; `rows` when there is none. */
function firstBad(columns: readonly OutputColumn[], rows: number): number {
  let first = rows;
  for (const { data, per } of columns) {
    for (let i = 0; i < first * per; i++) {
      if (!Number.isFinite(data[i]!)) first = Math.floor(i / per);
    }
  }
  return first;
}
