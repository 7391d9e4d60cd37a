import type { ReadingValue } from '../ports/reading.ts';
import { Downtimes } from '../stream/downtime.ts';
import type { Joiner } from '../stream/join.ts';
import type { Reading, WindowCounters } from '../stream/window.ts';
import type { Operator } from './unit.ts';

/** One reading on its way to a model that takes its fields by name. */
export interface ReadingJob {
  /** The device, or one key for all. */
  readonly key: string;
  readonly time: number;
  readonly ordinal: number;
  readonly arrival: number;
  readonly value: ReadingValue;
}

export interface ReadingOperatorOptions {
  readonly perDevice: boolean;
  readonly join: ((sink: (reading: Reading) => void) => Joiner) | undefined;
  readonly sink: (job: ReadingJob) => void;
}

/** Join (when there are several inputs), then each reading for itself. */
export class ReadingOperator implements Operator {
  readonly counters: WindowCounters = { late: 0, unusable: 0, overflow: 0 };
  readonly tracksSilence = false;
  readonly downtime = new Downtimes();
  readonly joiner: Joiner | undefined;
  readonly #options: ReadingOperatorOptions;
  #joined = 0;

  constructor(options: ReadingOperatorOptions) {
    this.#options = options;
    this.joiner = options.join?.((reading) => {
      this.#joined++;
      this.#pass(reading);
    });
  }

  get keys(): number {
    return this.joiner?.keys ?? 0;
  }

  get stateBytes(): number {
    return this.joiner?.stateBytes ?? 0;
  }

  feed(input: number, reading: Reading): void {
    if (this.joiner === undefined) this.#pass(reading);
    else this.joiner.feed(input, reading);
  }

  advance(now: number): number {
    const before = this.#joined;
    this.joiner?.advance(now);
    return this.#joined > before ? 1 : 0;
  }

  nextDeadline(): number {
    return this.joiner?.nextDeadline() ?? Number.POSITIVE_INFINITY;
  }

  snapshot(row: (key: string, bytes: Uint8Array) => void): void {
    this.joiner?.snapshot(row);
  }

  restore(key: string, bytes: Uint8Array): void {
    this.joiner?.restore(key, bytes);
  }

  #pass({ device, deviceSeq, seq, time, arrival, value }: Reading): void {
    const { perDevice, sink } = this.#options;
    sink({
      key: perDevice ? device : 'all',
      time,
      ordinal: perDevice ? deviceSeq : seq,
      arrival,
      value,
    });
  }
}
