import type { FieldValue } from '../ports/reading.ts';
import { KeyedMap, type KeyState } from './keyed.ts';
import { loadReading, saveReading } from './reading-state.ts';
import type { KeyedState, Reading } from './window.ts';

/** Most readings of one further stream, and of the first stream, that wait per key; the oldest give way. */
const MAX_BUFFERED = 256;

interface JoinKey extends KeyState {
  /** Readings of the first stream that are not decided, oldest first ('nearest'). */
  pending: Reading[];
  /** Per further stream: readings in order of time ('nearest'), or the newest one ('last'). */
  others: Reading[][];
}

export interface JoinOptions {
  /** Stream names; the first one leads: each of its readings gives at most one vector. */
  readonly streams: readonly string[];
  /** Largest distance in event time, ms. */
  readonly within: number;
  readonly on: 'device' | 'none';
  readonly mode: 'nearest' | 'last';
  readonly maxKeys: number;
  readonly sink: (reading: Reading) => void;
}

/**
 * Joins readings of several streams by event time into one reading with fields `<stream>.<field>`.
 *
 * The first stream leads. `last`: a leading reading is joined at once with the newest reading of each other stream
 * that is within reach. `nearest`: it waits until every other stream has come as far in time, at most `within` of
 * arrival time, and takes the nearest of each. A leading reading without a partner on each stream gives nothing and is
 * counted. A vector has the arrival of its leading reading. Pure function of the readings, which must come in the order of their arrival.
 */
export class Joiner implements KeyedState {
  readonly counters = { joined: 0, unmatched: 0, overflow: 0 };
  readonly #options: JoinOptions;
  readonly #keys: KeyedMap<JoinKey>;
  /** Leading readings in the order of arrival, with those already decided still in it. */
  #waiting: { key: string; reading: Reading }[] = [];
  #waitingFrom = 0;
  readonly #shapes: { parts: (readonly string[])[]; fields: readonly string[] }[] = [];

  constructor(options: JoinOptions) {
    this.#options = options;
    const further = options.streams.length - 1;
    const noOthers = (): Reading[][] => Array.from({ length: further }, () => []);
    this.#keys = new KeyedMap<JoinKey>(options.maxKeys, {
      create: () => ({ pending: [], others: noOthers(), dirty: false, size: 0 }),
      save(state, out) {
        for (const readings of [state.pending, ...state.others]) {
          out.u32(readings.length);
          for (const reading of readings) saveReading(reading, out);
        }
      },
      load(input) {
        const lists = Array.from({ length: further + 1 }, () =>
          Array.from({ length: input.u32() }, () => loadReading(input)),
        );
        return { pending: lists[0]!, others: lists.slice(1), dirty: false, size: 0 };
      },
      size: (state) => 64 * (state.pending.length + state.others.reduce((n, list) => n + list.length, 1)),
    });
  }

  get keys(): number {
    return this.#keys.keys;
  }

  get stateBytes(): number {
    return this.#keys.stateBytes;
  }

  feed(input: number, reading: Reading): void {
    this.advance(reading.arrival);
    const { on, mode } = this.#options;
    const key = on === 'device' ? reading.device : '';
    const state = this.#keys.get(key);
    if (state === undefined) {
      this.counters.overflow++;
      return;
    }
    this.#keys.touch(key, state);
    if (mode === 'last') this.#feedLast(state, input, reading);
    else this.#feedNearest(key, state, input, reading);
  }

  /** Decides what has waited long enough at arrival time `now`. */
  advance(now: number): void {
    const { within } = this.#options;
    while (this.#waitingFrom < this.#waiting.length) {
      const { key, reading } = this.#waiting[this.#waitingFrom]!;
      const state = this.#keys.map.get(key)!;
      if (state.pending[0] === reading) {
        if (reading.arrival + within > now) break;
        this.#keys.touch(key, state);
        this.#decide(state);
      }
      this.#waitingFrom++;
    }
    if (this.#waitingFrom > MAX_BUFFERED && this.#waitingFrom * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#waitingFrom);
      this.#waitingFrom = 0;
    }
  }

  nextDeadline(): number {
    const first = this.#waiting[this.#waitingFrom];
    return first === undefined ? Number.POSITIVE_INFINITY : first.reading.arrival + this.#options.within;
  }

  snapshot(row: (key: string, bytes: Uint8Array) => void): void {
    this.#keys.snapshot(row);
  }

  restore(key: string, bytes: Uint8Array): void {
    this.#keys.restore(key, bytes);
    for (const reading of this.#keys.map.get(key)!.pending) this.#waiting.push({ key, reading });
    this.#waiting.sort((a, b) => a.reading.arrival - b.reading.arrival || a.reading.seq - b.reading.seq);
  }

  #feedLast(state: JoinKey, input: number, reading: Reading): void {
    if (input > 0) {
      const list = state.others[input - 1]!;
      if (list.length === 0 || reading.time >= list[0]!.time) list[0] = reading;
      return;
    }
    const partners = state.others.map((list) => nearest(list, reading.time, this.#options.within));
    this.#emit(reading, partners);
  }

  #feedNearest(key: string, state: JoinKey, input: number, reading: Reading): void {
    if (input === 0) {
      state.pending.push(reading);
      this.#waiting.push({ key, reading });
      if (state.pending.length > MAX_BUFFERED) this.#decide(state);
    } else {
      const list = state.others[input - 1]!;
      let at = list.length;
      while (at > 0 && list[at - 1]!.time > reading.time) at--;
      list.splice(at, 0, reading);
      if (list.length > MAX_BUFFERED) list.shift();
    }
    while (state.pending.length > 0) {
      const { time } = state.pending[0]!;
      if (!state.others.every((list) => list.length > 0 && list.at(-1)!.time >= time)) return;
      this.#decide(state);
    }
  }

  /** Joins the oldest waiting reading with what is there. */
  #decide(state: JoinKey): void {
    const reading = state.pending.shift()!;
    const { within } = this.#options;
    const partners = state.others.map((list) => nearest(list, reading.time, within));
    for (const [i, partner] of partners.entries()) {
      // Leading readings come in order of time, so what lies before the partner is of no more use.
      if (partner) state.others[i]!.splice(0, state.others[i]!.indexOf(partner));
    }
    this.#emit(reading, partners);
  }

  #emit(leading: Reading, partners: readonly (Reading | undefined)[]): void {
    const readings = [leading];
    for (const partner of partners) {
      if (partner === undefined) {
        this.counters.unmatched++;
        return;
      }
      readings.push(partner);
    }
    this.counters.joined++;
    const values: FieldValue[] = [];
    let { flags } = leading;
    for (const reading of readings) {
      values.push(...reading.value.values);
      flags |= reading.flags;
    }
    const { seq, device, deviceSeq, time, arrival } = leading;
    const fields = this.#fields(readings.map((reading) => reading.value.fields));
    this.#options.sink({ seq, device, deviceSeq, time, arrival, flags, value: { fields, values } });
  }

  /** Qualified names, one array per combination of shapes. */
  #fields(parts: (readonly string[])[]): readonly string[] {
    const known = this.#shapes.find((shape) => shape.parts.every((part, i) => part === parts[i]));
    if (known) return known.fields;
    const { streams } = this.#options;
    const fields = parts.flatMap((part, i) => part.map((field) => `${streams[i]}.${field}`));
    if (this.#shapes.length >= MAX_BUFFERED) this.#shapes.shift();
    this.#shapes.push({ parts, fields });
    return fields;
  }
}

/** The reading nearest in time, the earlier of two equally near; undefined when none is within reach. */
function nearest(list: readonly Reading[], time: number, within: number): Reading | undefined {
  let best: Reading | undefined;
  let distance = Number.POSITIVE_INFINITY;
  for (const reading of list) {
    const away = Math.abs(reading.time - time);
    if (away < distance) {
      best = reading;
      distance = away;
    }
  }
  return distance <= within ? best : undefined;
}
