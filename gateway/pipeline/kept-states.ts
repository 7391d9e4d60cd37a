import type { ModelState } from '../ports/inference.ts';
import { StateReader, StateWriter } from '../stream/binary.ts';
import { MODEL_PREFIX } from './unit.ts';

/** Rows of version 1 do not say which model left them. */
const VERSION = 2;

interface Kept {
  /** SHA-256 of the model that left it: state is of no use to another one. */
  readonly model: string;
  readonly state: ModelState;
}

/** The states of a recurrent model, one per key. Keys are bounded by the windows' limit. */
export class KeptStates {
  readonly #states = new Map<string, Kept>();
  readonly #dirty = new Set<string>();
  readonly #writer = new StateWriter();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** What a model left for a key; undefined when another one left it, or none. */
  get(key: string, model: string): ModelState | undefined {
    const kept = this.#states.get(key);
    return kept?.model === model ? kept.state : undefined;
  }

  set(key: string, model: string, state: ModelState): void {
    this.#bytes += sizeOf(state) - sizeOf(this.#states.get(key)?.state);
    this.#states.set(key, { model, state });
    this.#dirty.add(key);
  }

  /** Rows of the keys that changed since the last call. */
  snapshot(row: (key: string, bytes: Uint8Array) => void): void {
    const out = this.#writer;
    for (const key of this.#dirty) {
      const { model, state } = this.#states.get(key)!;
      const entries = Object.entries(state);
      out.u8(VERSION);
      out.string(model);
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
    const model = input.string();
    const entries: [string, Float32Array][] = [];
    for (let left = input.u32(); left > 0; left--) entries.push([input.string(), input.f32s()]);
    this.set(key, model, Object.fromEntries(entries));
    this.#dirty.delete(key);
  }
}

function sizeOf(state: ModelState | undefined): number {
  if (state === undefined) return 0;
  let bytes = 0;
  for (const name in state) bytes += state[name]!.byteLength;
  return bytes;
}
