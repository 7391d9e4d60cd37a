/** What waits for its turn. */
interface Waiting {
  resume(): void;
}

/**
 * How many messages all connections together may bring in one turn of the event loop. What is read and not yet judged
 * waits in memory, so the doors must not take turns that leave the pipelines, which need several for each result, behind:
 * beyond the share, messages wait in the sockets.
 */
export class TurnShare {
  readonly #messages: number;
  readonly #waiting = new Set<Waiting>();
  #taken = 0;

  constructor(messages: number) {
    this.#messages = messages;
  }

  get spent(): boolean {
    return this.#taken >= this.#messages;
  }

  /** @param weight how many ordinary messages it counts as */
  count(weight = 1): void {
    if (this.#taken === 0) setImmediate(this.#next);
    this.#taken += weight;
  }

  /** `resume` is called in a later turn, in the order of the calls. */
  wait(one: Waiting): void {
    this.#waiting.add(one);
  }

  readonly #next = (): void => {
    this.#taken = 0;
    for (const one of this.#waiting) {
      if (this.spent) break;
      this.#waiting.delete(one);
      one.resume();
    }
  };
}
