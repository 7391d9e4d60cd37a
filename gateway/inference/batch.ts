import type { Tensor } from '../ports/tensor.ts';
import { align, type FrameHeader, HEADER_BYTES, OK, RUN, writeHeader } from './frames.ts';
import { toNumbers } from './host/cast.ts';
import type { Model } from './model.ts';
import type { ModelPlan } from './plan.ts';
import { headBytes, isBytes, readTensor, writeHead } from './tensor-data.ts';
import { rowsIn, type Segment } from './work.ts';

/** Segments of one run in a frame, and what comes back. */

/** Bytes of a RUN frame. All segments have the format of the first. */
export function batchBytes({ plan }: Model, segments: readonly Segment[]): number {
  const rows = rowsIn(segments);
  let length = HEADER_BYTES;
  for (let input = 0; input < plan.face.length; input++) {
    length += headBytes(segments[0]!.work.shape(input, rows).length);
    length += align(inputBytes(input, segments));
  }
  for (const { size } of plan.slots) length += align(rows * size * 4);
  return length;
}

function inputBytes(input: number, segments: readonly Segment[]): number {
  let bytes = 0;
  for (const { work, from, to } of segments) bytes += work.inputBytes(input, from, to);
  return bytes;
}

/** Writes a RUN frame of {@link batchBytes} bytes at `place`. */
export function encodeBatch(
  { plan, handle }: Model,
  id: number,
  segments: readonly Segment[],
  place: { readonly buffer: ArrayBuffer; readonly offset: number },
): void {
  const { buffer } = place;
  const rows = rowsIn(segments);
  const first = segments[0]!.work;
  let wanted = 0;
  let at = place.offset + HEADER_BYTES;
  for (let input = 0; input < plan.face.length; input++) {
    const bytes = inputBytes(input, segments);
    const head = { slot: input, datatype: first.datatype(input), shape: first.shape(input, rows), bytes };
    at = writeHead(buffer, at, head);
    for (const { work, from, to } of segments) at = work.writeInput(input, from, to, buffer, at);
    at = align(at);
  }
  for (let slot = 0; slot < plan.slots.length; slot++) {
    const { size } = plan.slots[slot]!;
    const values = new Float32Array(buffer, at, rows * size);
    let offset = 0;
    for (const { work, from, to } of segments) {
      work.writeState(slot, from, to, values, offset);
      offset += (to - from) * work.rows * size;
    }
    at = align(at + values.byteLength);
  }
  for (const { work } of segments) wanted |= work.wanted;
  const tensors = plan.face.length;
  const header = { kind: RUN, status: OK, handle, id, items: rows, tensors, wanted };
  writeHeader(buffer, place.offset, at - place.offset, header);
}

/** What a host answered to a run: results of all its rows. */
export class Reply {
  readonly rows: number;
  /** Microseconds of compute of one row. */
  readonly rowUs: number;
  /** By the place of the result in the plan; those that nobody wanted are absent. */
  readonly results: readonly (Tensor | undefined)[];
  /** By the place of the slot in the plan, the values of all rows. */
  readonly slots: readonly Float32Array[];
  readonly #numbers: (Float32Array | Float64Array | undefined)[] = [];

  constructor(
    rows: number,
    micros: number,
    results: readonly (Tensor | undefined)[],
    slots: readonly Float32Array[],
  ) {
    this.rows = rows;
    this.rowUs = Math.max(1, Math.ceil(micros / Math.max(1, rows)));
    this.results = results;
    this.slots = slots;
  }

  /** Values of a result as numbers; elements of BYTES by their place. */
  numbers(result: number): Float32Array | Float64Array {
    const { data, datatype } = this.results[result]!;
    if (data instanceof Float32Array || data instanceof Float64Array) return data;
    this.#numbers[result] ??= isBytes(data) ? Float64Array.from(data.keys()) : toNumbers(data, datatype);
    return this.#numbers[result];
  }

  /** Elements of BYTES as text; undefined for other results. */
  texts(result: number): readonly string[] | undefined {
    const { data } = this.results[result]!;
    if (!isBytes(data)) return undefined;
    const decoder = new TextDecoder();
    return data.map((bytes) => decoder.decode(bytes));
  }
}

/** Reads a RUN reply. Throws a RangeError when it is not what the plan says. */
export function readReply(plan: ModelPlan, header: FrameHeader, frame: Uint8Array): Reply {
  const { items: rows, tensors } = header;
  const results: (Tensor | undefined)[] = new Array(plan.results.length).fill(undefined);
  let at = frame.byteOffset + HEADER_BYTES;
  for (let i = 0; i < tensors; i++) {
    const { slot, tensor, end } = readTensor(frame.buffer, at);
    if (slot >= results.length) throw new RangeError(`a result ${slot} of ${results.length}`);
    results[slot] = tensor;
    at = end;
  }
  const slots = plan.slots.map(({ size }) => {
    const values = new Float32Array(frame.buffer as ArrayBuffer, at, size * rows);
    at += align(values.byteLength);
    return values;
  });
  return new Reply(rows, header.micros, results, slots);
}
