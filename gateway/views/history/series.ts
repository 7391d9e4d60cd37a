import type { SeriesView } from '../../http/index.ts';
import { type FieldValue, isSamples, type NumericArray, type ReadingValue } from '../../ports/reading.ts';
import type { JournalRecord } from '../../store/types.ts';
import { inOrder, thin } from './thin.ts';

/** What an eye can tell apart, and no payload can make grow. */
const MAX_SERIES = 32;

interface Collected {
  readonly device: string;
  readonly field: string;
  readonly times: number[];
  readonly values: number[];
  frame: NumericArray | undefined;
  count: number;
  sum: number;
  min: number;
  max: number;
}

/** Collects readings of chosen devices into series; counts, least, greatest and mean are of all that were put. */
export class SeriesCollector {
  readonly #devices: ReadonlySet<string>;
  readonly #field: string | undefined;
  readonly #found = new Map<string, Collected>();

  constructor(devices: Iterable<string>, field: string | undefined) {
    this.#devices = new Set(devices);
    this.#field = field;
  }

  put({ device, time, value }: JournalRecord<ReadingValue>): void {
    if (!this.#devices.has(device)) return;
    const { fields, values } = value;
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i]!;
      if (this.#field !== undefined && field !== this.#field) continue;
      this.#note(device, field, time, values[i]!);
    }
  }

  /** @param most points of one series */
  series(most: number, unitOf: (field: string) => string | null): SeriesView[] {
    return [...this.#found.values()]
      .sort((a, b) => compare(a.field, b.field) || compare(a.device, b.device))
      .map((one) => {
        const all = inOrder(one);
        const thinned = one.frame ? frameOf(one.frame, most) : thin(all, most);
        return {
          device: one.device,
          field: one.field,
          unit: unitOf(one.field),
          kind: one.frame ? 'frame' : thinned.times.length < one.times.length ? 'extremes' : 'points',
          count: one.count,
          min: one.count === 0 ? null : one.min,
          max: one.count === 0 ? null : one.max,
          mean: one.count === 0 ? null : one.sum / one.count,
          times: [...thinned.times],
          values: [...thinned.values],
        };
      });
  }

  #note(device: string, field: string, time: number, value: FieldValue): void {
    const number = typeof value === 'boolean' ? Number(value) : value;
    const frame = isSamples(number) && number.length > 0;
    if (!frame && !(typeof number === 'number' && Number.isFinite(number))) return;
    const key = `${device}\n${field}`;
    let one = this.#found.get(key);
    if (one === undefined) {
      if (this.#found.size >= MAX_SERIES) return;
      one = {
        device,
        field,
        times: [],
        values: [],
        frame: undefined,
        count: 0,
        sum: 0,
        min: Infinity,
        max: -Infinity,
      };
      this.#found.set(key, one);
    }
    if (frame) {
      one.frame = number as NumericArray;
      return;
    }
    one.times.push(time);
    one.values.push(number as number);
    one.count++;
    one.sum += number as number;
    if ((number as number) < one.min) one.min = number as number;
    if ((number as number) > one.max) one.max = number as number;
  }
}

function frameOf(frame: NumericArray, most: number): { times: number[]; values: readonly number[] } {
  const values = Array.from(frame);
  return { times: [], values: thin({ times: values.map((_, i) => i), values }, most).values };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
