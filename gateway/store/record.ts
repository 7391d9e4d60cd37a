import type { JournalRecord } from './types.ts';

/**
 * A record that the journal may place without copying it: made by the caller, numbered by the stream that it is
 * appended to. For what is appended many times a second; the journal copies any other object.
 */
export class Entry<T> implements JournalRecord<T> {
  /** 0 until a stream has placed it; one that has its place is copied like any other. */
  seq = 0;
  readonly device: string;
  deviceSeq = 0;
  readonly time: number;
  arrival: number;
  readonly flags: number;
  readonly value: T;

  constructor(device: string, time: number, flags: number, value: T) {
    this.device = device;
    this.time = time;
    // A float64 from the start, as it will be one.
    this.arrival = Number.NaN;
    this.flags = flags;
    this.value = value;
  }
}
