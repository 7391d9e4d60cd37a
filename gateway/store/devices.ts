import { GatewayError } from '../errors.ts';
import type { DeviceRow } from './protocol.ts';
import type { DeviceEntry, JournalRecord } from './types.ts';

const MAX_NAME_CHARS = 1024;

/** A device of a stream. `count` and the last times are of committed records; `next` runs ahead with the queue. */
export interface DeviceState extends DeviceEntry {
  count: number;
  lastSeq: number;
  lastTime: number;
  lastArrival: number;
  next: number;
  /** The segment that last listed it, its number there, and its device seq there. */
  segment: number;
  index: number;
  base: number;
  /** `lastSeq` when its row was last saved. */
  savedSeq: number;
}

/** The devices of one stream with their counters, at most as many as the stream may have. */
export class DeviceTable {
  readonly #devices = new Map<string, DeviceState>();
  readonly #stream: string;
  readonly #most: number;
  #sweep: { devices: Iterator<DeviceState>; asOf: number } | undefined;
  #sweptTo = 0;

  constructor(stream: string, most: number) {
    this.#stream = stream;
    this.#most = most;
  }

  load(rows: readonly DeviceRow[], asOf: number): void {
    this.#devices.clear();
    for (const row of rows) this.#devices.set(row.device, fromRow(row));
    this.#sweep = undefined;
    this.#sweptTo = asOf;
  }

  /** @throws GatewayError STORE_DEVICES when it is one too many, STORE_RECORD when it is no name */
  get(name: string): DeviceState {
    const known = this.#devices.get(name);
    if (known !== undefined) return known;
    if (name.length === 0 || name.length > MAX_NAME_CHARS) {
      throw new GatewayError('STORE_RECORD', 'store: a record needs the name of its device', {
        received: name.slice(0, 64),
        expected: `1 to ${MAX_NAME_CHARS} characters`,
      });
    }
    if (this.#devices.size >= this.#most) {
      throw new GatewayError('STORE_DEVICES', `store: ${this.#stream} has all the devices it may have`, {
        received: name.slice(0, 64),
        expected: `one of its ${this.#most} devices`,
      });
    }
    const device = fromRow({ device: name, count: 0, lastSeq: 0, lastTime: 0, lastArrival: 0 });
    this.#devices.set(name, device);
    return device;
  }

  *committed(): Iterable<DeviceEntry> {
    for (const device of this.#devices.values()) if (device.count > 0) yield device;
  }

  /** The records are in the journal. */
  count(records: readonly JournalRecord<unknown>[]): void {
    for (const record of records) {
      const device = this.#devices.get(record.device)!;
      device.count = record.deviceSeq;
      device.lastSeq = record.seq;
      device.lastTime = record.time;
      device.lastArrival = record.arrival;
    }
  }

  /** The records will not get into the journal with the numbers they have. */
  takeBack(records: readonly JournalRecord<unknown>[]): void {
    for (const record of records) {
      const device = this.#devices.get(record.device);
      if (device === undefined) continue;
      device.next--;
      if (device.next === 0) this.#devices.delete(record.device);
    }
  }

  /**
   * Goes on saving counters, at most `limit` rows a time, once `every` records have come since the last round.
   * @returns the seq up to which all saved rows are true when a round is complete
   */
  sweep(streamId: number, head: number, every: number, limit: number, into: DeviceRow[]): number | undefined {
    if (this.#sweep === undefined) {
      if (head - this.#sweptTo < every) return undefined;
      this.#sweep = { devices: this.#devices.values(), asOf: head };
    }
    const { devices, asOf } = this.#sweep;
    for (let rows = 0; rows < limit; ) {
      const next = devices.next();
      if (next.done) {
        this.#sweep = undefined;
        this.#sweptTo = asOf;
        return asOf;
      }
      const { device, count, lastSeq, lastTime, lastArrival, savedSeq } = next.value;
      if (lastSeq === savedSeq) continue;
      next.value.savedSeq = lastSeq;
      into.push({ streamId, device, count, lastSeq, lastTime, lastArrival });
      rows++;
    }
    return undefined;
  }
}

function fromRow(row: Omit<DeviceRow, 'streamId'>): DeviceState {
  const { device, count, lastSeq, lastTime, lastArrival } = row;
  return {
    device,
    count,
    lastSeq,
    lastTime,
    lastArrival,
    next: count,
    segment: 0,
    index: 0,
    base: 0,
    savedSeq: lastSeq,
  };
}
