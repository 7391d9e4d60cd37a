import type { KeyState } from './keyed.ts';

/**
 * Which keys time alone may close, found without visiting every key at every look: a lower bound over all keys is
 * kept, and keys are only visited when it has passed. A key's deadline may only move later while it is pending.
 */
export class Deadlines<S extends KeyState> {
  #bound = Number.POSITIVE_INFINITY;

  get bound(): number {
    return this.#bound;
  }

  /** A key began to wait. */
  add(deadline: number): void {
    if (deadline < this.#bound) this.#bound = deadline;
  }

  /**
   * Keys due at `now`, in the order of their deadlines (then by key), at most `most`. What `deadlineOf` answers is
   * Infinity for a key that waits for nothing.
   */
  due(
    map: ReadonlyMap<string, S>,
    now: number,
    most: number,
    deadlineOf: (state: S) => number,
  ): [string, S][] {
    if (this.#bound > now) return [];
    const due: { key: string; state: S; deadline: number }[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const [key, state] of map) {
      const deadline = deadlineOf(state);
      if (deadline <= now) due.push({ key, state, deadline });
      else if (deadline < next) next = deadline;
    }
    due.sort((a, b) => a.deadline - b.deadline || (a.key < b.key ? -1 : 1));
    this.#bound = due.length > most ? due[most]!.deadline : next;
    return due.slice(0, most).map(({ key, state }) => [key, state]);
  }
}
