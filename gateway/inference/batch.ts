import type { ModelInput, ModelOutput, ModelState, OutputValue } from '../ports/inference.ts';
import { shortestDecimal } from './decimal.ts';
import type { ResultPlan } from './face.ts';
import { ALL, align, type FrameHeader, HEADER_BYTES, OK, RUN, writeHeader } from './frames.ts';
import { toNumbers } from './host/cast.ts';
import type { ModelPlan, StateSlot } from './plan.ts';
import { fillShape } from './shapes.ts';
import { headBytes, readTensor, writeHead } from './tensor-data.ts';

/** Items of one batch in frames: how windows and state are laid out going out, and results coming back. */

/** Bytes of a RUN frame for `count` items like `item`. */
export function batchBytes(plan: ModelPlan, item: ModelInput, count: number): number {
  const bytes = align(count * item.rows * item.columns * (plan.wire === 'FP64' ? 8 : 4));
  let length = HEADER_BYTES + headBytes(windowShape(plan, count, item).length) + bytes;
  for (const slot of plan.slots) length += align(count * slot.size * 4);
  return length;
}

/** Items to encode: parts of lists, in order. */
export interface Slice {
  readonly items: readonly ModelInput[];
  readonly from: number;
  readonly to: number;
}

/**
 * Writes a RUN frame of {@link batchBytes} bytes at `place`. All items have the rows and columns of the first, and
 * state of the right sizes or none.
 */
export function encodeBatch(
  plan: ModelPlan,
  handle: number,
  id: number,
  slices: readonly Slice[],
  place: { readonly buffer: ArrayBuffer; readonly offset: number },
): void {
  const { rows, columns } = slices[0]!.items[slices[0]!.from]!;
  let count = 0;
  for (const { from, to } of slices) count += to - from;
  const size = rows * columns;
  const { buffer } = place;
  const wide = plan.wire === 'FP64';
  let offset = writeHead(buffer, place.offset + HEADER_BYTES, {
    slot: 0,
    datatype: plan.wire,
    shape: windowShape(plan, count, { rows, columns }),
    bytes: count * size * (wide ? 8 : 4),
  });
  const windows = wide
    ? new Float64Array(buffer, offset, count * size)
    : new Float32Array(buffer, offset, count * size);
  let at = 0;
  for (const { items, from, to } of slices) {
    for (let i = from; i < to; i++, at += size) copy(items[i]!.window, windows, at, size);
  }
  offset += align(windows.byteLength);
  for (const slot of plan.slots) {
    const values = new Float32Array(buffer, offset, count * slot.size);
    writeState(slot, slices, values);
    offset += align(values.byteLength);
  }
  const header = { kind: RUN, status: OK, handle, id, items: count, tensors: 1, wanted: ALL };
  writeHeader(buffer, place.offset, offset - place.offset, header);
}

/** The shape that windows have in a frame. Throws MODEL_SHAPE when the model cannot take windows of this size. */
export function windowShape(
  plan: ModelPlan,
  count: number,
  { rows, columns }: Pick<ModelInput, 'rows' | 'columns'>,
): readonly number[] {
  if (plan.preprocess.length > 0) return [count, rows, columns];
  return fillShape(plan.window!.shape, { count, rows, columns });
}

/** State that is absent is zeros; the buffer may hold what was sent before. */
function writeState(slot: StateSlot, slices: readonly Slice[], values: Float32Array): void {
  let at = 0;
  for (const { items, from, to } of slices) {
    for (let i = from; i < to; i++, at += slot.size) {
      const state = items[i]!.state?.[slot.name];
      if (state) values.set(state, at);
      else values.fill(0, at, at + slot.size);
    }
  }
}

/** Short windows are copied by hand: calling `set` costs more than their values. */
const SHORT = 64;

function copy(from: ModelInput['window'], to: Float32Array | Float64Array, at: number, size: number): void {
  if (size > SHORT) to.set(from, at);
  else if (from instanceof Float64Array) for (let i = 0; i < size; i++) to[at + i] = from[i]!;
  else if (from instanceof Float32Array) for (let i = 0; i < size; i++) to[at + i] = from[i]!;
  else for (let i = 0; i < size; i++) to[at + i] = from[i]!;
}

/** Where the results of one reply are. */
export interface DecodedBatch {
  /** Output of item `i`, or null when one of its numbers is not finite. */
  output(i: number): ModelOutput | null;
}

interface Column {
  readonly plan: ResultPlan;
  readonly per: number;
  readonly data: Float32Array | Float64Array;
}

/** Reads a RUN reply. Throws a RangeError when it is not what the plan says. */
export function decodeBatch(plan: ModelPlan, header: FrameHeader, frame: Uint8Array): DecodedBatch {
  const { items } = header;
  const computeUs = Math.max(1, Math.ceil(header.micros / items));
  let offset = frame.byteOffset + HEADER_BYTES;
  const columns: Column[] = [];
  for (let i = 0; i < header.tensors; i++) {
    const { slot, tensor, end } = readTensor(frame.buffer, offset);
    const data = toNumbers(tensor.data, tensor.datatype);
    columns.push({ plan: plan.results[slot]!, per: data.length / items, data });
    offset = end;
  }
  const slots = plan.slots.map((slot) => {
    const values = new Float32Array(frame.buffer, offset, slot.size * items);
    offset += align(values.byteLength);
    return values;
  });
  const stateOf = (i: number): ModelState | undefined => {
    if (slots.length === 0) return undefined;
    const state: Record<string, Float32Array> = {};
    plan.slots.forEach(({ name, size }, s) => {
      state[name] = slots[s]!.slice(i * size, (i + 1) * size);
    });
    return state;
  };
  return {
    output(i) {
      const outputs: Record<string, OutputValue> = {};
      for (const column of columns) {
        const value = outputValue(column, i);
        if (value === undefined) return null;
        outputs[column.plan.name] = value;
      }
      return { outputs, state: stateOf(i), computeUs };
    },
  };
}

function outputValue({ plan, per, data }: Column, i: number): OutputValue | undefined {
  if (per === 1) {
    const value = data[i]!;
    if (!Number.isFinite(value)) return undefined;
    if (plan.kind === 'numbers') return plan.wide ? value : shortestDecimal(value);
    return plan.kind === 'label' ? plan.labels![value] : value === 1;
  }
  const values = new Array<number>(per);
  for (let v = 0; v < per; v++) {
    const value = data[i * per + v]!;
    if (!Number.isFinite(value)) return undefined;
    values[v] = plan.wide ? value : shortestDecimal(value);
  }
  return values;
}
