import { GatewayError } from '../errors.ts';
import { elements } from './tensor-data.ts';

/** How many windows of which size. */
export interface WindowSize {
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
}

/** The shape with its free dimensions filled in for these windows. Throws MODEL_SHAPE when they do not fit. */
export function fillShape(shape: readonly number[], windows: WindowSize): number[] {
  const { count, rows, columns } = windows;
  const filled = [...shape];
  if (shape[0] === -1) filled[0] = count;
  const open = filled.flatMap((d, i) => (d === -1 ? [i] : []));
  const size = count * rows * columns;
  if (open.length === 1) {
    const known = filled.reduce((product, d) => (d === -1 ? product : product * d), 1);
    filled[open[0]!] = known > 0 ? size / known : 0;
  } else if (open.length === 2) {
    filled[open[0]!] = rows;
    filled[open[1]!] = columns;
  }
  const total = elements(filled);
  if (total === size && filled.every((d) => Number.isInteger(d) && d >= 0)) return filled;
  throw new GatewayError(
    'MODEL_SHAPE',
    `a window of ${rows} rows and ${columns} columns after preprocessing does not fit [${shape.join(', ')}]`,
  );
}
