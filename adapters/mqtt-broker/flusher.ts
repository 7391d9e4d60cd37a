import type { Egress } from './egress.ts';

/** Flushes every egress that has something to send, once per turn of the event loop. */
export class Flusher {
  #dirty: Egress[] = [];

  schedule(egress: Egress): void {
    if (this.#dirty.push(egress) === 1) setImmediate(this.#run);
  }

  readonly #run = (): void => {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const egress of dirty) egress.flush();
  };
}
