interface Waiting {
  readonly packetId: number;
  done: boolean;
}

/**
 * Acknowledgements in the order in which the messages came [MQTT-4.6.0-2], whatever the order in which they were
 * stored. Belongs to one connection: after a new one the broker sends what was not acknowledged again.
 */
export class InOrder {
  readonly #acknowledge: (packetId: number) => void;
  readonly #waiting: Waiting[] = [];

  constructor(acknowledge: (packetId: number) => void) {
    this.#acknowledge = acknowledge;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** A message has come. Call the result when it may be acknowledged. */
  add(packetId: number): () => void {
    const waiting: Waiting = { packetId, done: false };
    this.#waiting.push(waiting);
    return () => {
      waiting.done = true;
      let ready = 0;
      while (ready < this.#waiting.length && this.#waiting[ready]!.done) ready++;
      for (const { packetId: id } of this.#waiting.splice(0, ready)) this.#acknowledge(id);
    };
  }
}
