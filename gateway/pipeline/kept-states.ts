import type { ModelState } from '../ports/inference.ts';
import { StateReader, StateWriter } from '../stream/binary.ts';
import { MODEL_PREFIX } from './unit.ts';

const VERSION = 1;

/** The states of a recurrent model, one per key. Keys are bounded by the windows' limit. */
export class KeptStates {
  readonly #states = new Map<string, ModelState>();
  readonly #dirty = new Set<string>();
  readonly #writer = new StateWriter();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): ModelState | undefined {
    return this.#states.get(key);
  }

  set(key: string, state: ModelState): void {
    this.#bytes += sizeOf(state) - sizeOf(this.#states.get(key));
    this.#states.set(key, state);
    this.#dirty.add(key);
  }

  /** Rows of the keys that changed since the last call. */
  snapshot(row: (key: string, bytes: Uint8Array) => void): void {
    const out = this.#writer;
    for (const key of this.#dirty) {
      const entries = Object.entries(this.#states.get(key) ?? {});
      out.u8(VERSION);
      out.u32(entries.length);
      for (const [name, values] of entries) {
        out.string(name);
        out.f32s(values);
      }
      row(MODEL_PREFIX + key, out.finish());
    }
    this.#dirty.clear();
  }

  restore(key: string, bytes: Uint8Array): void {
    const input = new StateReader(bytes);
    if (input.u8() !== VERSION) throw new RangeError('model state row of another version');
    const entries: [string, Float32Array][] = [];
    for (let left = input.u32(); left > 0; left--) entries.push([input.string(), input.f32s()]);
    this.set(key, Object.fromEntries(entries));
    this.#dirty.delete(key);
  }
}

function sizeOf(state: ModelState | undefined): number {
  if (state === undefined) return 0;
  let bytes = 0;
  for (const name in state) bytes += state[name]!.byteLength;
  return bytes;
}
