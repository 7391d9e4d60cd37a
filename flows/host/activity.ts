import { getHeapStatistics } from 'node:v8';

/**
 * What the main thread was doing, in memory that the watching thread reads while the main thread is kept busy or has run
 * out of memory: a counter that each turn of the event loop raises, the id of the node that got the last message, and of the
 * one during whose messages memory has grown most lately.
 */

const NUMBERS = 3;
/** Ids are 16 characters, those inside subflows twice as long and more. */
const LONGEST_ID = 120;
const TURNS = 0;
const LAST = 1;
const GROWING = 2;

const TURN_MS = 200;
/** Ids seen; more than any flow has nodes. */
const MAX_IDS = 20_000;
/** What a node made memory grow by is forgotten by so much with each look that follows. */
const DECAY = 0.999;
/** Below it, growth says nothing. */
const NOTABLE_BYTES = 4 * 1024 * 1024;

const textAt = (memory: SharedArrayBuffer, which: number): Uint8Array =>
  new Uint8Array(memory, NUMBERS * 4 + (which - 1) * LONGEST_ID, LONGEST_ID);

/** The main thread's side. */
export class Activity {
  readonly memory = new SharedArrayBuffer(NUMBERS * 4 + 2 * LONGEST_ID);
  readonly #numbers = new Int32Array(this.memory, 0, NUMBERS);
  readonly #texts = [textAt(this.memory, LAST), textAt(this.memory, GROWING)];
  readonly #ids = new Map<string, Uint8Array>();
  readonly #growth = new Map<string, number>();
  #last = '';
  #used = 0;
  #growing = '';

  start(): void {
    setInterval(() => Atomics.add(this.#numbers, TURNS, 1), TURN_MS).unref();
  }

  /** A node is about to get a message. On the path of every message in a flow. */
  at(id: string): void {
    const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
    this.#grown(heap + external - this.#used);
    this.#used = heap + external;
    if (id === this.#last) return;
    this.#last = id;
    this.#note(LAST, id);
  }

  last(): string {
    return readNode(this.memory);
  }

  /** Memory has grown, or was collected, since the last node got its message. */
  #grown(bytes: number): void {
    const before = (this.#growth.get(this.#last) ?? 0) * DECAY;
    if (this.#growth.size >= MAX_IDS) this.#growth.clear();
    const now = Math.max(0, before + bytes);
    this.#growth.set(this.#last, now);
    if (now < NOTABLE_BYTES || this.#last === this.#growing) return;
    if (now < (this.#growth.get(this.#growing) ?? 0)) return;
    this.#growing = this.#last;
    this.#note(GROWING, this.#growing);
  }

  #note(which: number, id: string): void {
    let bytes = this.#ids.get(id);
    if (bytes === undefined) {
      if (this.#ids.size >= MAX_IDS) this.#ids.clear();
      bytes = new Uint8Array(Buffer.from(id).subarray(0, LONGEST_ID));
      this.#ids.set(id, bytes);
    }
    this.#texts[which - 1]!.set(bytes);
    this.#numbers[which] = bytes.length;
  }
}

const read = (memory: SharedArrayBuffer, which: number): string => {
  const length = new Int32Array(memory, 0, NUMBERS)[which]!;
  return Buffer.from(textAt(memory, which).slice(0, length)).toString();
};

/** Id of the node that was last given a message; '' before any. */
export const readNode = (memory: SharedArrayBuffer): string => read(memory, LAST);

/** Id of the node during whose messages memory has grown most lately; '' where it has not. */
export const readGrowing = (memory: SharedArrayBuffer): string => read(memory, GROWING);

export const readTurns = (memory: SharedArrayBuffer): number =>
  Atomics.load(new Int32Array(memory, 0, NUMBERS), TURNS);
