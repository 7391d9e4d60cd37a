import { isNumeric, isSamples, type ReadingValue } from '../ports/reading.ts';

/**
 * Turns readings into rows of numbers, column by column. A scalar gives one row; array fields give one row per
 * sample and must be equally long, a scalar beside them holds for each sample. Booleans count as 0 and 1.
 */
export class Columns {
  /** Names asked for, in order; empty takes the one numeric field of each reading. */
  readonly names: readonly string[];
  readonly count: number;
  #shape: readonly string[] | undefined;
  #indexes: readonly number[] = [];

  constructor(names: readonly string[]) {
    this.names = names;
    this.count = Math.max(1, names.length);
  }

  /** Rows this reading gives; 0 when a column is missing, not a number, or arrays differ in length. */
  rows(value: ReadingValue): number {
    const indexes = this.#resolve(value);
    if (indexes.length === 0) return 0;
    let rows = 1;
    for (let c = 0; c < indexes.length; c++) {
      const field = value.values[indexes[c]!];
      if (typeof field === 'number') {
        if (!Number.isFinite(field)) return 0;
      } else if (isSamples(field)) {
        if (field.length === 0 || (rows !== 1 && field.length !== rows)) return 0;
        rows = field.length;
      } else if (typeof field !== 'boolean') {
        return 0;
      }
    }
    return rows;
  }

  /** Writes `rows` rows, row-major, from `offset` on. Only after {@link rows} of the same reading. */
  write(value: ReadingValue, rows: number, out: Float64Array, offset: number): void {
    const indexes = this.#indexes;
    const columns = indexes.length;
    for (let c = 0; c < columns; c++) {
      const field = value.values[indexes[c]!];
      if (isSamples(field) && field.length === rows) {
        for (let r = 0, at = offset + c; r < rows; r++, at += columns) out[at] = field[r]!;
      } else {
        const scalar = isSamples(field) ? field[0]! : Number(field);
        for (let r = 0, at = offset + c; r < rows; r++, at += columns) out[at] = scalar;
      }
    }
  }

  #resolve(value: ReadingValue): readonly number[] {
    // Readings of one shape share their `fields`, so this is one comparison per reading.
    if (value.fields === this.#shape && this.names.length > 0) return this.#indexes;
    this.#shape = value.fields;
    this.#indexes = this.names.length > 0 ? indexesOf(this.names, value.fields) : onlyNumeric(value);
    return this.#indexes;
  }
}

/**
 * Place of a column among `fields`, -1 when there is none: the field of that name, or in a joined reading the one
 * field `<stream>.<name>`, or the one field of stream `<name>`.
 */
export function fieldIndex(name: string, fields: readonly string[]): number {
  const exact = fields.indexOf(name);
  if (exact !== -1) return exact;
  const byField = fields.filter((field) => field.endsWith(`.${name}`));
  if (byField.length === 1) return fields.indexOf(byField[0]!);
  const byStream = fields.filter((field) => field.startsWith(`${name}.`));
  return byStream.length === 1 ? fields.indexOf(byStream[0]!) : -1;
}

function indexesOf(names: readonly string[], fields: readonly string[]): readonly number[] {
  const indexes = names.map((name) => fieldIndex(name, fields));
  return indexes.includes(-1) ? [] : indexes;
}

function onlyNumeric(value: ReadingValue): readonly number[] {
  let found = -1;
  for (let i = 0; i < value.values.length; i++) {
    if (!isNumeric(value.values[i]!)) continue;
    if (found !== -1) return [];
    found = i;
  }
  return found === -1 ? [] : [found];
}
