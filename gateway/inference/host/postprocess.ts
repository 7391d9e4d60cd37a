import type { PostprocessStep } from '../manifest.ts';
import type { Floats } from './preprocess.ts';

/** Values of one result for all items of a batch, `per` of them for each item. */
export interface Values {
  readonly data: Floats;
  readonly per: number;
}

/** Applies the steps in order; `results` gets what they make. Throws a RangeError when a result is too short. */
export function postprocess(
  results: Map<string, Values>,
  steps: readonly PostprocessStep[],
  items: number,
): void {
  for (const step of steps) {
    const values = results.get(step.output);
    if (!values) throw new RangeError(`there is no result "${step.output}"`);
    if (values.per === 0) throw new RangeError(`result "${step.output}" is empty`);
    results.set(step.as ?? step.output, apply(step, values, items));
  }
}

function apply(step: PostprocessStep, { data, per }: Values, items: number): Values {
  switch (step.step) {
    case 'argmax': {
      if (step.labels && step.labels.length !== per)
        throw new RangeError(`result "${step.output}" has ${per} values for ${step.labels.length} labels`);
      const out = new Float32Array(items);
      for (let n = 0; n < items; n++) {
        let best = 0;
        for (let i = 1; i < per; i++) if (data[n * per + i]! > data[n * per + best]!) best = i;
        // No largest value among NaN: let it show as one, so that the answer is refused and not made up.
        out[n] = Number.isNaN(data[n * per + best]!) ? Number.NaN : best;
      }
      return { data: out, per: 1 };
    }
    case 'softmax': {
      const out = sameKind(data, data.length);
      for (let n = 0; n < items; n++) softmax(data, out, n * per, per);
      return { data: out, per };
    }
    case 'threshold': {
      const out = new Float32Array(items);
      for (let n = 0; n < items; n++) {
        const value = data[n * per]!;
        out[n] = Number.isNaN(value) ? Number.NaN : value >= step.value ? 1 : 0;
      }
      return { data: out, per: 1 };
    }
    case 'scalar': {
      if (step.index >= per)
        throw new RangeError(`result "${step.output}" has ${per} values, no index ${step.index}`);
      const out = sameKind(data, items);
      for (let n = 0; n < items; n++) out[n] = data[n * per + step.index]!;
      return { data: out, per: 1 };
    }
    case 'clip': {
      const min = step.min ?? Number.NEGATIVE_INFINITY;
      const max = step.max ?? Number.POSITIVE_INFINITY;
      const out = sameKind(data, data.length);
      for (let i = 0; i < data.length; i++) out[i] = Math.min(max, Math.max(min, data[i]!));
      return { data: out, per };
    }
  }
}

const sameKind = (data: Floats, length: number): Floats =>
  data instanceof Float32Array ? new Float32Array(length) : new Float64Array(length);

function softmax(data: Floats, out: Floats, start: number, length: number): void {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < length; i++) max = Math.max(max, data[start + i]!);
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const value = Math.exp(data[start + i]! - max);
    out[start + i] = value;
    sum += value;
  }
  for (let i = 0; i < length; i++) out[start + i] = out[start + i]! / sum;
}
