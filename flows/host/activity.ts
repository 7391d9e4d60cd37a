/**
 * What the main thread was doing, in memory that the watching thread reads while the main thread is kept busy or has run
 * out of memory: a counter that each turn of the event loop raises, and the id of the node that got the last message.
 */

const COUNTER_BYTES = 4;
const LENGTH_BYTES = 4;
/** Ids are 16 characters, those inside subflows twice as long and more. */
const LONGEST_ID = 120;

export const ACTIVITY_BYTES = COUNTER_BYTES + LENGTH_BYTES + LONGEST_ID;

const TURN_MS = 200;
/** Ids seen; more than any flow has nodes. */
const MAX_IDS = 20_000;

/** The main thread's side. */
export class Activity {
  readonly memory = new SharedArrayBuffer(ACTIVITY_BYTES);
  readonly #numbers = new Int32Array(this.memory, 0, 2);
  readonly #text = new Uint8Array(this.memory, COUNTER_BYTES + LENGTH_BYTES);
  readonly #ids = new Map<string, Uint8Array>();

  start(): void {
    setInterval(() => Atomics.add(this.#numbers, 0, 1), TURN_MS).unref();
  }

  /** A node is about to get a message. On the path of every message in a flow. */
  at(id: string): void {
    let bytes = this.#ids.get(id);
    if (bytes === undefined) {
      if (this.#ids.size >= MAX_IDS) this.#ids.clear();
      bytes = new Uint8Array(Buffer.from(id).subarray(0, LONGEST_ID));
      this.#ids.set(id, bytes);
    }
    this.#text.set(bytes);
    this.#numbers[1] = bytes.length;
  }

  last(): string {
    return readNode(this.memory);
  }
}

/** Id of the node that was last given a message; '' before any. */
export function readNode(memory: SharedArrayBuffer): string {
  const length = new Int32Array(memory, 0, 2)[1]!;
  return Buffer.from(new Uint8Array(memory, COUNTER_BYTES + LENGTH_BYTES, length)).toString();
}

export const readTurns = (memory: SharedArrayBuffer): number => Atomics.load(new Int32Array(memory, 0, 2), 0);
