import type { AnsweredPart, BatchAnswer, OutputColumn, TensorAnswer } from '../../ports/inference.ts';
import type { Tensor } from '../../ports/tensor.ts';
import { toNumbers } from '../host/cast.ts';

/** How far two versions may be apart: |a - b| ≤ absolute + relative × |b|. Labels must be equal. */
export interface Closeness {
  readonly absolute: number;
  readonly relative: number;
}

export interface Comparison {
  readonly agrees: boolean;
  /** Largest difference between numbers; 0 where there are only labels. */
  readonly difference: number;
}

/** Compares each window that both answered, in their order; `found` is the trial's. */
export function compareBatches(
  found: BatchAnswer,
  live: BatchAnswer,
  close: Closeness,
  each: (comparison: Comparison) => void,
): void {
  const parts = found.parts.flatMap((mine) =>
    live.parts.flatMap((theirs) => {
      const from = Math.max(mine.from, theirs.from);
      const to = Math.min(mine.to, theirs.to);
      return from < to ? [{ mine, theirs, from, to }] : [];
    }),
  );
  for (const { mine, theirs, from, to } of parts)
    for (let i = from; i < to; i++) each(compareWindows(mine, i - mine.from, theirs, i - theirs.from, close));
}

function compareWindows(
  mine: AnsweredPart,
  at: number,
  theirs: AnsweredPart,
  other: number,
  close: Closeness,
): Comparison {
  let agrees = true;
  let difference = 0;
  for (const column of theirs.columns) {
    const own = mine.columns.find(({ name }) => name === column.name);
    if (!own || own.per !== column.per || own.kind !== column.kind) return { agrees: false, difference };
    if (column.kind !== 'numbers') {
      agrees &&= sameTexts(own, at, column, other);
      continue;
    }
    const { per } = column;
    const result = numbersApart(own.data, at * per, column.data, other * per, per, close);
    agrees &&= result.agrees;
    difference = Math.max(difference, result.difference);
  }
  return { agrees, difference };
}

function sameTexts(a: OutputColumn, at: number, b: OutputColumn, other: number): boolean {
  const text = ({ labels, data }: OutputColumn, i: number): unknown => (labels ? labels[data[i]!] : data[i]);
  for (let i = 0; i < b.per; i++) if (text(a, at * b.per + i) !== text(b, other * b.per + i)) return false;
  return true;
}

/** Compares two answers to one call. */
export function compareTensors(
  found: Extract<TensorAnswer, { ok: true }>,
  live: Extract<TensorAnswer, { ok: true }>,
  close: Closeness,
): Comparison {
  let agrees = true;
  let difference = 0;
  for (const name in live.outputs) {
    const own = found.outputs[name];
    if (!own) return { agrees: false, difference };
    const result = tensorsApart(own, live.outputs[name]!, close);
    agrees &&= result.agrees;
    difference = Math.max(difference, result.difference);
  }
  return { agrees, difference };
}

/** Compares two tensors; different shapes or datatypes never agree. */
export function tensorsApart(a: Tensor, b: Tensor, close: Closeness): Comparison {
  const never = { agrees: false, difference: 0 };
  if (a.datatype !== b.datatype || a.data.length !== b.data.length) return never;
  if (a.shape.length !== b.shape.length || a.shape.some((d, i) => d !== b.shape[i])) return never;
  if (a.datatype !== 'BYTES') {
    const [x, y] = [toNumbers(a.data, a.datatype), toNumbers(b.data, b.datatype)];
    return numbersApart(x, 0, y, 0, y.length, close);
  }
  const others = b.data as readonly Uint8Array[];
  const equal = (a.data as readonly Uint8Array[]).every(
    (bytes, i) => Buffer.compare(bytes, others[i]!) === 0,
  );
  return { agrees: equal, difference: 0 };
}

function numbersApart(
  a: ArrayLike<number>,
  atA: number,
  b: ArrayLike<number>,
  atB: number,
  count: number,
  { absolute, relative }: Closeness,
): Comparison {
  let agrees = true;
  let difference = 0;
  for (let i = 0; i < count; i++) {
    const x = a[atA + i]!;
    const y = b[atB + i]!;
    if (Object.is(x, y)) continue;
    const apart = Math.abs(x - y);
    if (!(apart <= absolute + relative * Math.abs(y))) agrees = false;
    if (Number.isFinite(apart)) difference = Math.max(difference, apart);
  }
  return { agrees, difference };
}
