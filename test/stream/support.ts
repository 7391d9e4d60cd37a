import type { FieldValue } from '../../gateway/ports/reading.ts';
import type { ClosedWindow, KeyedState, Reading } from '../../gateway/stream/window.ts';

const VALUE = ['value'];
let seq = 0;

/** A reading of the single field `value`; its arrival is its time unless given. */
export function reading(device: string, time: number, value: FieldValue, arrival = time): Reading {
  seq++;
  return { seq, device, deviceSeq: seq, time, arrival, flags: 0, value: { fields: VALUE, values: [value] } };
}

/** What matters of a window: not when it was closed. */
export interface SeenWindow {
  readonly key: string;
  readonly time: number;
  readonly values: readonly number[];
  readonly rows: number;
}

export function collector(): { readonly seen: SeenWindow[]; readonly sink: (window: ClosedWindow) => void } {
  const seen: SeenWindow[] = [];
  return {
    seen,
    sink: ({ key, time, values, rows }) => seen.push({ key, time, values: [...values], rows }),
  };
}

/** State rows as a store keeps them: a snapshot writes the keys that changed, a restart reads all. */
export class Rows {
  readonly #rows = new Map<string, Uint8Array>();

  carryOver(from: KeyedState, to: KeyedState): void {
    from.snapshot((key, bytes) => this.#rows.set(key, bytes));
    for (const [key, bytes] of this.#rows) to.restore(key, bytes);
  }
}

export const LIMITS = { maxKeys: 100, maxReadings: 10_000, maxValues: 100_000 };
