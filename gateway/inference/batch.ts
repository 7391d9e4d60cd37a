import type { ModelInput, ModelOutput, ModelState, OutputValue } from '../ports/inference.ts';
import { align, type FrameHeader, HEADER_BYTES, OK, RUN, writeHeader } from './frames.ts';
import type { ModelPlan, ResultPlan } from './plan.ts';

/** Items of one batch in frames: how windows and state are laid out going out, and results coming back. */

/** Bytes one item takes in a request. */
export function itemBytes(plan: ModelPlan, rows: number, columns: number): number {
  let bytes = rows * columns * (plan.wire === 'FP64' ? 8 : 4);
  for (const slot of plan.slots) bytes += slot.size * 4;
  return bytes;
}

/** One RUN frame. All items have the rows and columns of the first, and state of the right sizes or none. */
export function encodeBatch(
  plan: ModelPlan,
  handle: number,
  id: number,
  items: readonly ModelInput[],
): Uint8Array {
  const { rows, columns } = items[0]!;
  const size = rows * columns;
  const wide = plan.wire === 'FP64';
  const windowBytes = align(items.length * size * (wide ? 8 : 4));
  let length = HEADER_BYTES + windowBytes;
  for (const slot of plan.slots) length += align(items.length * slot.size * 4);
  const buffer = new ArrayBuffer(length);
  writeHeader(buffer, 0, length, { kind: RUN, status: OK, handle, id, items: items.length, rows, columns });
  const windows = wide
    ? new Float64Array(buffer, HEADER_BYTES, items.length * size)
    : new Float32Array(buffer, HEADER_BYTES, items.length * size);
  for (let i = 0; i < items.length; i++) copy(items[i]!.window, windows, i * size, size);
  let offset = HEADER_BYTES + windowBytes;
  for (const slot of plan.slots) {
    const values = new Float32Array(buffer, offset, items.length * slot.size);
    for (let i = 0; i < items.length; i++) {
      const state = items[i]!.state?.[slot.name];
      if (state) values.set(state, i * slot.size);
    }
    offset += align(values.byteLength);
  }
  return new Uint8Array(buffer);
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
  for (const result of plan.results) {
    const per = new Uint32Array(frame.buffer, offset, 1)[0]!;
    const data = result.wide
      ? new Float64Array(frame.buffer, offset + 8, per * items)
      : new Float32Array(frame.buffer, offset + 8, per * items);
    columns.push({ plan: result, per, data });
    offset += 8 + align(data.byteLength);
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
    if (plan.kind === 'numbers') return value;
    return plan.kind === 'label' ? plan.labels![value] : value === 1;
  }
  const values = new Array<number>(per);
  for (let v = 0; v < per; v++) {
    const value = data[i * per + v]!;
    if (!Number.isFinite(value)) return undefined;
    values[v] = value;
  }
  return values;
}
