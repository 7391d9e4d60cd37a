import { StateReader, StateWriter } from './binary.ts';
import type { KeyedState } from './window.ts';

/** Version byte at the head of every state row. */
const VERSION = 1;

export interface KeyState {
  dirty: boolean;
  /** Last size of the row, so that the total needs no walk. */
  size: number;
}

/** Map of key → state with change tracking; the save and load of one state are the owner's. */
export class KeyedMap<S extends KeyState> implements KeyedState {
  readonly map = new Map<string, S>();
  readonly #maxKeys: number;
  readonly #codec: {
    create(): S;
    save(state: S, out: StateWriter): void;
    load(input: StateReader): S;
    size(state: S): number;
  };
  readonly #writer = new StateWriter();
  #dirty: { key: string; state: S }[] = [];
  #bytes = 0;

  constructor(
    maxKeys: number,
    codec: {
      create(): S;
      save(state: S, out: StateWriter): void;
      load(input: StateReader): S;
      size(state: S): number;
    },
  ) {
    this.#maxKeys = maxKeys;
    this.#codec = codec;
  }

  get keys(): number {
    return this.map.size;
  }

  get stateBytes(): number {
    return this.#bytes;
  }

  /** The state of `key`, made when absent; undefined when there are too many keys. */
  get(key: string): S | undefined {
    const known = this.map.get(key);
    if (known !== undefined) return known;
    if (this.map.size >= this.#maxKeys) return undefined;
    const state = this.#codec.create();
    this.map.set(key, state);
    return state;
  }

  /** To be called whenever a state changed. */
  touch(key: string, state: S): void {
    if (state.dirty) return;
    state.dirty = true;
    this.#dirty.push({ key, state });
    this.#resize(state);
  }

  snapshot(row: (key: string, bytes: Uint8Array) => void): void {
    for (const { key, state } of this.#dirty) {
      state.dirty = false;
      this.#writer.u8(VERSION);
      this.#codec.save(state, this.#writer);
      row(key, this.#writer.finish());
      this.#resize(state);
    }
    this.#dirty = [];
  }

  restore(key: string, bytes: Uint8Array): void {
    const input = new StateReader(bytes);
    const version = input.u8();
    if (version !== VERSION) throw new RangeError(`state row of version ${version}, expected ${VERSION}`);
    const state = this.#codec.load(input);
    this.map.set(key, state);
    this.#resize(state);
  }

  #resize(state: S): void {
    const size = this.#codec.size(state);
    this.#bytes += size - state.size;
    state.size = size;
  }
}
