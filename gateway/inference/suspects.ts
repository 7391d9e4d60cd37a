import { BLAME, type HostExit } from './host-process.ts';
import type { Batch } from './lane.ts';
import type { Model } from './model.ts';
import type { Work } from './work.ts';

/** A unit that was in a host when it ended, or in a batch that failed: it runs alone next. */
export interface Suspect {
  readonly work: Work;
  readonly unit: number;
  /** Sum of {@link BLAME} of the ends it was part of. */
  readonly suspicion: number;
}

const POISON_AT = 2;

/** Units that run alone, oldest first, so that the next end of a host names the one that ended it. */
export class Suspects {
  #items: Suspect[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** Takes in what a batch held that has failed with an error of the model. */
  addFailed(batch: Batch): void {
    this.#add(batch, 0);
  }

  /** Takes in what a host held that has ended; returns whether it was one poison unit, which is not taken in. */
  addLost(batch: Batch, kind: HostExit['kind']): boolean {
    const suspicion = (batch.suspicion ?? 0) + BLAME[kind];
    const poison = batch.suspicion !== undefined && suspicion >= POISON_AT - 1e-9;
    if (!poison) this.#add(batch, suspicion);
    return poison;
  }

  /** The next that has no answer yet. */
  next(): Suspect | undefined {
    for (;;) {
      const suspect = this.#items.shift();
      if (!suspect?.work.answered(suspect.unit)) return suspect;
    }
  }

  /** Takes out those of a model, or all. */
  take(only?: Model): Suspect[] {
    const taken = this.#items.filter(({ work }) => !only || work.model === only);
    this.#items = this.#items.filter(({ work }) => only && work.model !== only);
    return taken;
  }

  [Symbol.iterator](): Iterator<Suspect> {
    return this.#items[Symbol.iterator]();
  }

  #add({ segments }: Batch, suspicion: number): void {
    for (const { work, from, to } of segments) {
      for (let unit = from; unit < to; unit++) this.#items.push({ work, unit, suspicion });
    }
  }
}
