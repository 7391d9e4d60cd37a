import type { StateRow, Store } from '../store/types.ts';
import { StateReader, StateWriter } from '../stream/binary.ts';
import { type ConsumerEvent, decodeEvent, EVENT_PREFIX, encodeEvent, reached } from './events.ts';

const META_KEY = '#';
const META_VERSION = 1;

/** What a snapshot says beside the rows of the keys. */
export interface SnapshotMeta {
  /** Seq per input up to which the state is true. */
  readonly position: readonly number[];
  /** See Downtimes.save. */
  readonly downtime: readonly number[];
  /** Last time that closed windows. */
  readonly lastTick: number;
}

export interface LoadedState {
  readonly meta: SnapshotMeta;
  readonly rows: readonly { readonly key: string; readonly bytes: Uint8Array }[];
  readonly events: readonly ConsumerEvent[];
}

/**
 * The rows in which a consumer's state survives: `#` (position and settings of the snapshot), one row per key of its
 * processors, and `!n` rows, the events since the snapshot.
 */
export class ConsumerState {
  readonly #store: Store;
  readonly #consumer: string;
  readonly #fingerprint: string;
  readonly #writer = new StateWriter();
  #events: { key: string; position: readonly number[] }[] = [];
  #nextEvent = 1;

  /** @param fingerprint of the settings that shape the state: a snapshot of other settings is not taken back */
  constructor(store: Store, consumer: string, fingerprint: string) {
    this.#store = store;
    this.#consumer = consumer;
    this.#fingerprint = fingerprint;
  }

  /** Events that no snapshot covers yet. */
  get events(): number {
    return this.#events.length;
  }

  /**
   * The last snapshot, or undefined (and no rows are left) when there is none that fits the settings. `damaged` is
   * told of rows that cannot be read.
   */
  async load(damaged: (key: string, error: unknown) => void): Promise<LoadedState | undefined> {
    const stored = await this.#store.states(this.#consumer);
    const attempt = <T>(key: string, read: () => T): T | undefined => {
      try {
        return read();
      } catch (error) {
        damaged(key, error);
        return undefined;
      }
    };
    const meta = stored.find((row) => row.key === META_KEY);
    const snapshot = meta && attempt(META_KEY, () => this.#readMeta(meta.bytes));
    if (snapshot === undefined) {
      await this.discard(stored.map((row) => row.key));
      return undefined;
    }
    const rows: { key: string; bytes: Uint8Array }[] = [];
    const numbered: { number: number; event: ConsumerEvent }[] = [];
    for (const row of stored) {
      if (row.key.startsWith(EVENT_PREFIX)) {
        const event = attempt(row.key, () => decodeEvent(row.bytes));
        if (event) numbered.push({ number: Number(row.key.slice(1)), event });
      } else if (row.key !== META_KEY) rows.push(row);
    }
    numbered.sort((a, b) => a.number - b.number);
    this.#events = numbered.map(({ number, event }) => ({
      key: EVENT_PREFIX + number,
      position: event.position,
    }));
    this.#nextEvent = (numbered.at(-1)?.number ?? 0) + 1;
    return { meta: snapshot, rows, events: numbered.map(({ event }) => event) };
  }

  /** Deletes rows. */
  async discard(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    await this.#store.commit({
      states: keys.map((key) => ({ consumer: this.#consumer, key, asOf: 0, bytes: null })),
    });
  }

  row(key: string, asOf: number, bytes: Uint8Array): StateRow {
    return { consumer: this.#consumer, key, asOf, bytes };
  }

  /** The row that keeps an event. */
  eventRow(event: ConsumerEvent): StateRow {
    const key = EVENT_PREFIX + this.#nextEvent++;
    this.#events.push({ key, position: event.position });
    return this.row(key, event.position[0]!, encodeEvent(event));
  }

  /** The rows that make a snapshot valid: its meta row, and the deletion of the events it covers. */
  snapshotRows(meta: SnapshotMeta): StateRow[] {
    const out = this.#writer;
    out.u8(META_VERSION);
    out.string(this.#fingerprint);
    for (const list of [meta.position, meta.downtime]) {
      out.u32(list.length);
      for (const value of list) out.f64(value);
    }
    out.f64(meta.lastTick);
    const asOf = meta.position[0]!;
    const rows = [this.row(META_KEY, asOf, out.finish())];
    const later = this.#events.filter((event) => !reached(meta.position, event.position));
    for (const event of this.#events) {
      if (reached(meta.position, event.position)) {
        rows.push({ consumer: this.#consumer, key: event.key, asOf, bytes: null });
      }
    }
    this.#events = later;
    return rows;
  }

  #readMeta(bytes: Uint8Array): SnapshotMeta | undefined {
    const input = new StateReader(bytes);
    if (input.u8() !== META_VERSION || input.string() !== this.#fingerprint) return undefined;
    const list = (): number[] => Array.from({ length: input.u32() }, () => input.f64());
    return { position: list(), downtime: list(), lastTick: input.f64() };
  }
}
