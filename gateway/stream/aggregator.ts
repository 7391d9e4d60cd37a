import { type FieldValue, isNumeric, type NumericArray } from '../ports/reading.ts';
import { Deadlines } from './closing.ts';
import { Downtimes } from './downtime.ts';
import { KeyedMap, type KeyState } from './keyed.ts';
import { QuantileSketch } from './sketch.ts';
import { Summary } from './summary.ts';
import type { KeyedState, Reading, WindowCounters } from './window.ts';

/** Fields of one device, and windows of one device that late readings keep open. */
const MAX_FIELDS = 64;
const MAX_OPEN = 256;

interface OpenWindow {
  readonly start: number;
  readonly fields: Map<string, Summary>;
}

interface AggregateKey extends KeyState {
  /** In order of start. */
  open: OpenWindow[];
  /** Windows that end at or before this are closed. */
  closed: number;
  newest: number;
  /** Arrival of the last reading on a clock that stands still while the gateway is away. */
  heard: number;
}

/** Statistics of one device over `[start, start + length)`. */
export interface ClosedAggregate {
  readonly device: string;
  readonly start: number;
  readonly end: number;
  readonly fields: ReadonlyMap<string, Summary>;
}

export interface AggregatorOptions {
  readonly length: number;
  readonly by: 'event' | 'arrival';
  readonly lateness: number;
  /** Field names; undefined takes every numeric field. */
  readonly fields: readonly string[] | undefined;
  /** Whether quantiles will be asked for. */
  readonly quantiles: boolean;
  readonly maxKeys: number;
  readonly sink: (aggregate: ClosedAggregate) => void;
}

/**
 * Statistics per device over tumbling windows, aligned to the epoch. Closes windows by the same rules as TimeWindower:
 * what an aggregate holds depends on the readings alone. Array fields count sample by sample, booleans as 0 and 1.
 */
export class Aggregator implements KeyedState {
  readonly counters: WindowCounters = { late: 0, unusable: 0, overflow: 0 };
  readonly tracksSilence: boolean;
  readonly downtime = new Downtimes();
  readonly #options: AggregatorOptions;
  readonly #idle: number;
  readonly #keys: KeyedMap<AggregateKey>;
  readonly #deadlines = new Deadlines<AggregateKey>();

  constructor(options: AggregatorOptions) {
    this.#options = options;
    this.#idle = options.length + options.lateness;
    this.tracksSilence = options.by === 'event';
    this.#keys = new KeyedMap<AggregateKey>(options.maxKeys, {
      create: () => ({
        open: [],
        closed: Number.NEGATIVE_INFINITY,
        newest: Number.NEGATIVE_INFINITY,
        heard: 0,
        dirty: false,
        size: 0,
      }),
      save(state, out) {
        for (const value of [state.closed, state.newest, state.heard]) out.f64(value);
        out.u32(state.open.length);
        for (const { start, fields } of state.open) {
          out.f64(start);
          out.u32(fields.size);
          for (const [name, summary] of fields) {
            out.string(name);
            summary.save(out);
          }
        }
      },
      load(input) {
        const [closed, newest, heard] = [input.f64(), input.f64(), input.f64()];
        const open: OpenWindow[] = [];
        for (let windows = input.u32(); windows > 0; windows--) {
          const start = input.f64();
          const fields = new Map<string, Summary>();
          for (let left = input.u32(); left > 0; left--) fields.set(input.string(), Summary.load(input));
          open.push({ start, fields });
        }
        return { open, closed, newest, heard, dirty: false, size: 0 };
      },
      size: (state) => state.open.reduce((bytes, window) => bytes + sizeOf(window), 64),
    });
  }

  get keys(): number {
    return this.#keys.keys;
  }

  get stateBytes(): number {
    return this.#keys.stateBytes;
  }

  feed(_input: number, reading: Reading): void {
    const { device, arrival } = reading;
    const { by, length, lateness } = this.#options;
    const state = this.#keys.get(device);
    if (state === undefined) {
      this.counters.overflow++;
      return;
    }
    this.#keys.touch(device, state);
    const heard = arrival - this.downtime.before(arrival);
    if (by === 'event' && state.open.length > 0 && heard - state.heard >= this.#idle) {
      this.#close(device, state, Number.POSITIVE_INFINITY);
    }
    state.heard = heard;
    const time = by === 'event' ? reading.time : arrival;
    const start = Math.floor(time / length) * length;
    if (start + length <= state.closed) {
      this.counters.late++;
      return;
    }
    if (time > state.newest) {
      state.newest = time;
      this.#close(device, state, time - lateness);
    }
    const window = this.#window(device, state, start);
    if (!this.#add(window, reading, time)) this.counters.unusable++;
  }

  advance(now: number, maxKeys: number): number {
    const due = this.#deadlines.due(this.#keys.map, now, maxKeys, (state) => this.#deadline(state));
    for (const [device, state] of due) {
      this.#keys.touch(device, state);
      this.#close(device, state, this.#options.by === 'event' ? Number.POSITIVE_INFINITY : now);
      this.#deadlines.add(this.#deadline(state));
    }
    return due.length;
  }

  nextDeadline(): number {
    return this.#deadlines.bound;
  }

  snapshot(row: (key: string, bytes: Uint8Array) => void): void {
    this.#keys.snapshot((key, bytes) => row(ROW_PREFIX + key, bytes));
  }

  restore(key: string, bytes: Uint8Array): void {
    this.#keys.restore(key.slice(ROW_PREFIX.length), bytes);
    this.#deadlines.add(Number.NEGATIVE_INFINITY);
  }

  #window(device: string, state: AggregateKey, start: number): OpenWindow {
    const { open } = state;
    let at = open.length;
    while (at > 0 && open[at - 1]!.start > start) at--;
    const known = open[at - 1];
    if (known?.start === start) return known;
    const window = { start, fields: new Map<string, Summary>() };
    open.splice(at, 0, window);
    if (open.length === 1) this.#deadlines.add(this.#deadline(state));
    if (open.length > MAX_OPEN) {
      this.counters.overflow++;
      this.#close(device, state, open[0]!.start + this.#options.length);
    }
    return window;
  }

  #add(window: OpenWindow, { value }: Reading, time: number): boolean {
    const { fields } = this.#options;
    const names = fields ?? value.fields;
    let used = false;
    for (let i = 0; i < names.length; i++) {
      const at = fields === undefined ? i : value.fields.indexOf(names[i]!);
      const field = at === -1 ? null : value.values[at]!;
      if (!isCounted(field)) continue;
      const summary = this.#summary(window, names[i]!);
      if (summary === undefined) continue;
      used = addTo(summary, field, time) || used;
    }
    return used;
  }

  #summary({ fields }: OpenWindow, name: string): Summary | undefined {
    let summary = fields.get(name);
    if (summary === undefined && fields.size < MAX_FIELDS) {
      summary = new Summary(this.#options.quantiles ? new QuantileSketch() : undefined);
      fields.set(name, summary);
    }
    return summary;
  }

  /** Arrival time at which time alone closes something of this device. */
  #deadline({ open, heard }: AggregateKey): number {
    if (open.length === 0) return Number.POSITIVE_INFINITY;
    if (this.#options.by === 'event') return heard + this.downtime.total + this.#idle;
    return open[0]!.start + this.#options.length;
  }

  #close(device: string, state: AggregateKey, watermark: number): void {
    const { length, sink } = this.#options;
    const { open } = state;
    while (open.length > 0 && open[0]!.start + length <= watermark) {
      const { start, fields } = open.shift()!;
      state.closed = Math.max(state.closed, start + length);
      const used = new Map([...fields].filter(([, summary]) => summary.count > 0));
      if (used.size > 0) sink({ device, start, end: start + length, fields: used });
    }
    if (watermark === Number.POSITIVE_INFINITY) return;
    state.closed = Math.max(state.closed, Math.floor(watermark / length) * length);
  }
}

const ROW_PREFIX = 'w';

type Counted = number | boolean | NumericArray;

const isCounted = (value: FieldValue): value is Counted => typeof value === 'boolean' || isNumeric(value);

/** Whether it held a number. */
function addTo(summary: Summary, value: Counted, time: number): boolean {
  if (!ArrayBuffer.isView(value)) {
    const number = Number(value);
    if (Number.isFinite(number)) summary.add(number, time);
    return Number.isFinite(number);
  }
  let used = false;
  for (const sample of value) {
    if (!Number.isFinite(sample)) continue;
    summary.add(sample, time);
    used = true;
  }
  return used;
}

function sizeOf({ fields }: OpenWindow): number {
  let bytes = 16;
  for (const [name, summary] of fields) bytes += name.length + summary.byteLength;
  return bytes;
}
