import type { TensorSpec } from '../../ports/tensor.ts';
import type { Model } from '../model.ts';

/**
 * Why callers and pipelines of one version could not go on with another in its place; undefined when they can. What the
 * other takes may be more, what it gives may be more, but neither less nor different.
 */
export function misfit({ info: next }: Model, { info: now }: Model): string | undefined {
  const [was, is] = [now.features.join(', '), next.features.join(', ')];
  if (!now.columns && !next.columns && was !== is)
    return `it takes the columns ${is || 'of any one'}, the live version ${was || 'any one'}`;
  const [least, most] = rangeOf(now);
  const [from, to] = rangeOf(next);
  if (from > least || to < most)
    return `it takes ${from} to ${to} columns, the live version ${least} to ${most}`;
  if (next.rows !== undefined && next.rows !== now.rows)
    return `its windows have ${next.rows} rows, those of the live version ${now.rows ?? 'any number'}`;
  if (now.byName !== next.byName) return 'one takes windows of readings, the other tensors by name';
  return inputsApart(next.inputs, now.inputs) ?? outputsApart(next.outputs, now.outputs);
}

const rangeOf = ({ columns, features }: Model['info']): readonly [number, number] =>
  columns ? [columns.min, columns.max] : [Math.max(1, features.length), Math.max(1, features.length)];

function inputsApart(next: readonly TensorSpec[], now: readonly TensorSpec[]): string | undefined {
  for (const spec of next) {
    const known = now.find(({ name }) => name === spec.name);
    if (!known) return `callers would have to give it "${spec.name}" besides`;
    const takes = spec.datatype === known.datatype && accepts(spec.shape, known.shape);
    if (!takes) return `input "${spec.name}" is ${text(spec)}, in the live version ${text(known)}`;
  }
  const gone = now.find(({ name }) => !next.some((spec) => spec.name === name));
  return gone && `it takes no "${gone.name}"`;
}

function outputsApart(next: readonly TensorSpec[], now: readonly TensorSpec[]): string | undefined {
  for (const known of now) {
    const spec = next.find(({ name }) => name === known.name);
    if (!spec) return `it gives no "${known.name}"`;
    const gives = spec.datatype === known.datatype && accepts(known.shape, spec.shape);
    if (!gives) return `output "${known.name}" is ${text(spec)}, in the live version ${text(known)}`;
  }
  return undefined;
}

/** Whether whoever can deal with the first shape can deal with the second. */
const accepts = (open: readonly number[], shape: readonly number[]): boolean =>
  open.length === shape.length && open.every((d, i) => d === -1 || d === shape[i]);

const text = ({ datatype, shape }: TensorSpec): string => `${datatype} [${shape.join(', ')}]`;
