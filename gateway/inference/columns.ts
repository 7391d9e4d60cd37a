import type { AnsweredPart, OutputValue } from '../ports/inference.ts';
import { shortestDecimal } from '../system/decimal.ts';

/** Outputs of window `i` of a part (0 is its first) by name, as they stand in result documents. */
export function outputsOf({ columns }: AnsweredPart, i: number): Record<string, OutputValue> {
  const outputs: Record<string, OutputValue> = {};
  for (const { name, kind, labels, single, per, data } of columns) {
    const number = (at: number): number => (single ? shortestDecimal(data[at]!) : data[at]!);
    const text = (at: number): string => labels![data[at]!]!;
    if (kind === 'boolean') outputs[name] = data[i] === 1;
    else if (kind === 'numbers')
      outputs[name] = per === 1 ? number(i) : Array.from({ length: per }, (_, v) => number(i * per + v));
    else outputs[name] = per === 1 ? text(i) : Array.from({ length: per }, (_, v) => text(i * per + v));
  }
  return outputs;
}
