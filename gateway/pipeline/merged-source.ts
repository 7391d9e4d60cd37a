import type { Reading } from '../stream/window.ts';
import type { RecordSource, TakeRecord } from './source.ts';

/** Records read ahead per input. */
const AHEAD = 256;

interface Input {
  readonly source: RecordSource;
  readonly ahead: Reading[];
  next: number;
}

/**
 * Several streams merged into one order that depends on the records alone: by arrival, then by place in the
 * configuration, then by seq. A record is handed out only when no record of an earlier arrival can still come: below
 * the time of the last barrier. So the order is the same live, behind, and in a replay.
 */
export class MergedSource implements RecordSource {
  readonly streams: readonly string[];
  readonly position: number[];
  readonly #inputs: readonly Input[];
  /** Every record that arrived before this is committed. */
  #horizon = 0;
  #replay = false;

  /** @param sources of one stream each */
  constructor(sources: readonly RecordSource[]) {
    this.streams = sources.flatMap((source) => source.streams);
    this.position = sources.map(() => 0);
    this.#inputs = sources.map((source) => ({ source, ahead: [], next: 0 }));
  }

  heads(): number[] {
    return this.#inputs.flatMap(({ source }) => source.heads());
  }

  async lastArrival(): Promise<number> {
    const all = await Promise.all(this.#inputs.map(({ source }) => source.lastArrival()));
    return Math.max(...all);
  }

  seek(position: readonly number[], until: readonly number[] | null): void {
    this.#replay = until !== null;
    for (const [i, input] of this.#inputs.entries()) {
      this.position[i] = position[i]!;
      input.ahead.length = input.next = 0;
      input.source.seek([position[i]!], until === null ? null : [until[i]!]);
    }
  }

  async pull(limit: number, take: TakeRecord): Promise<number> {
    let handed = 0;
    while (handed < limit) {
      const reading = this.#readAhead();
      if (reading !== undefined) await reading;
      const first = this.#first();
      if (first === -1) return handed;
      const input = this.#inputs[first]!;
      const record = input.ahead[input.next++]!;
      this.position[first] = record.seq;
      take(first, record);
      handed++;
    }
    return handed;
  }

  barrier(time: number): void {
    // The wall clock may have been set back: what was settled stays settled.
    this.#horizon = Math.max(this.#horizon, time);
  }

  get settled(): boolean {
    return this.#inputs.every(({ ahead, next, source }) => {
      const waiting = ahead[next];
      return waiting === undefined
        ? source.position[0]! >= source.heads()[0]!
        : waiting.arrival >= this.#horizon;
    });
  }

  nextBarrier(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const { ahead, next } of this.#inputs) {
      if (next < ahead.length) earliest = Math.min(earliest, ahead[next]!.arrival + 1);
    }
    return earliest;
  }

  onMore(listener: () => void): () => void {
    const ends = this.#inputs.map(({ source }) => source.onMore(listener));
    return () => {
      for (const end of ends) end();
    };
  }

  /** Fills every empty input with what its stream has: only then is the earliest of them known. */
  #readAhead(): Promise<void> | undefined {
    for (const input of this.#inputs) {
      if (input.next < input.ahead.length) continue;
      const pulled = this.#refill(input);
      if (typeof pulled !== 'number') return this.#readRest(pulled);
    }
    return undefined;
  }

  /** Goes on when one input had to be read from disk. */
  async #readRest(first: Promise<number>): Promise<void> {
    await first;
    for (const input of this.#inputs) if (input.next === input.ahead.length) await this.#refill(input);
  }

  #refill(input: Input): number | Promise<number> {
    input.ahead.length = input.next = 0;
    return input.source.pull(AHEAD, (_, record) => input.ahead.push(record));
  }

  /** The input whose next record comes first, -1 when none may be handed out yet. */
  #first(): number {
    let best = -1;
    let arrival = this.#replay ? Number.POSITIVE_INFINITY : this.#horizon;
    for (const [i, { ahead, next }] of this.#inputs.entries()) {
      const record = ahead[next];
      if (record === undefined || record.arrival >= arrival) continue;
      best = i;
      arrival = record.arrival;
    }
    return best;
  }
}
