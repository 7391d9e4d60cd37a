import type { PreprocessStep } from '../manifest.ts';

export type Floats = Float32Array | Float64Array;

/** Windows of a batch, all of one size, row-major one after another. */
export interface Windows {
  readonly data: Floats;
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Applies the steps in order. Computing steps change `windows.data` in place.
 * @param contexts per `context` step the remembered rows of each item, one item after another; replaced by the new ones
 */
export function preprocess(
  windows: Windows,
  steps: readonly PreprocessStep[],
  contexts: Float32Array[],
): Windows {
  let current = windows;
  let context = 0;
  for (const step of steps) {
    switch (step.step) {
      case 'scale':
        scale(current.data, step.factor, step.offset);
        break;
      case 'standardize':
        standardize(current, step.mean, step.std);
        break;
      case 'zscore':
        zscore(current, step.epsilon);
        break;
      case 'context':
        current = prepend(current, step.rows, contexts, context++);
        break;
      case 'transpose':
        current = transpose(current);
        break;
    }
  }
  return current;
}

function scale(data: Floats, factor: number, offset: number): void {
  for (let i = 0; i < data.length; i++) data[i] = data[i]! * factor + offset;
}

function standardize({ data, columns }: Windows, mean: readonly number[], std: readonly number[]): void {
  for (let c = 0; c < columns; c++) {
    const m = mean[mean.length === 1 ? 0 : c]!;
    const s = std[std.length === 1 ? 0 : c]!;
    for (let i = c; i < data.length; i += columns) data[i] = (data[i]! - m) / s;
  }
}

function zscore({ data, count, rows, columns }: Windows, epsilon: number): void {
  const size = rows * columns;
  for (let w = 0; w < count; w++) {
    for (let c = 0; c < columns; c++) {
      const first = w * size + c;
      const end = (w + 1) * size;
      let sum = 0;
      for (let i = first; i < end; i += columns) sum += data[i]!;
      const mean = sum / rows;
      let squares = 0;
      for (let i = first; i < end; i += columns) squares += (data[i]! - mean) ** 2;
      const spread = Math.sqrt(squares / rows) + epsilon;
      // epsilon 0 and a constant window: every value is the mean, so 0 and not 0/0.
      for (let i = first; i < end; i += columns) data[i] = spread === 0 ? 0 : (data[i]! - mean) / spread;
    }
  }
}

function prepend(windows: Windows, extra: number, contexts: Float32Array[], index: number): Windows {
  const { data, count, columns } = windows;
  const rows = windows.rows + extra;
  const kept = extra * columns;
  const size = windows.rows * columns;
  const before = contexts[index]!;
  const after = new Float32Array(count * kept);
  const out =
    data instanceof Float32Array
      ? new Float32Array(count * rows * columns)
      : new Float64Array(count * rows * columns);
  for (let w = 0; w < count; w++) {
    const at = w * rows * columns;
    out.set(before.subarray(w * kept, (w + 1) * kept), at);
    out.set(data.subarray(w * size, (w + 1) * size), at + kept);
    after.set(out.subarray(at + size, at + size + kept), w * kept);
  }
  contexts[index] = after;
  return { data: out, count, rows, columns };
}

function transpose({ data, count, rows, columns }: Windows): Windows {
  const out = data instanceof Float32Array ? new Float32Array(data.length) : new Float64Array(data.length);
  const size = rows * columns;
  for (let w = 0; w < count; w++) {
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) out[w * size + c * rows + r] = data[w * size + r * columns + c]!;
    }
  }
  return { data: out, count, rows: columns, columns: rows };
}
