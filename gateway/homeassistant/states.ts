import type { Config, PipelineConfig } from '../config/schema.ts';
import type { ReadingValue } from '../ports/reading.ts';
import type { ResultDocument, ResultFeed } from '../ports/results.ts';
import type { JournalStream } from '../store/types.ts';
import { type Condition, parseCondition } from '../stream/condition.ts';
import type { DeviceState } from './device-entities.ts';

/** Results looked at between two ticks for being notable: parsing more would be felt. */
const MAX_PARSED = 200;
/** Longest text: Home Assistant takes no longer states. */
const MAX_TEXT = 255;
/** Outputs and fields of one source. */
const MAX_VALUES = 20;

type Values = Record<string, number | string | boolean>;

interface Known {
  readonly readings: Record<string, Values>;
  readonly results: Record<string, Values>;
}

export interface StatesParts {
  readonly config: Config;
  readonly readingStreams: ReadonlyMap<string, JournalStream<ReadingValue>>;
  readonly feed: ResultFeed;
}

/** The newest values of the first devices. Reads one reading of each that has sent something since the last tick. */
export class States {
  readonly #parts: StatesParts;
  readonly #known = new Map<string, Known>();
  /** By stream and device: how far it was read. */
  readonly #read = new Map<string, number>();
  /** Newest results since the last tick, by pipeline and device. */
  readonly #results = new Map<string, string>();
  /** By pipeline and device: one since the last tick was notable. */
  readonly #notable = new Set<string>();
  readonly #conditions: ReadonlyMap<string, Condition>;
  #parsed = 0;
  #end: (() => void) | undefined;

  constructor(parts: StatesParts) {
    this.#parts = parts;
    this.#conditions = new Map(
      parts.config.pipelines.flatMap(({ id, publish }: PipelineConfig) =>
        publish.when === undefined ? [] : [[id, parseCondition(publish.when)] as const],
      ),
    );
  }

  start(): void {
    const { feed } = this.#parts;
    for (const pipeline of feed.pipelines())
      for (const device of feed.devices(pipeline))
        this.#note(pipeline, device, feed.latest(pipeline, device)!);
    this.#end = feed.subscribe((pipeline, device, json) => this.#note(pipeline, device, json));
  }

  stop(): void {
    this.#end?.();
    this.#end = undefined;
  }

  get(device: string): DeviceState | undefined {
    return this.#known.get(device);
  }

  devices(): readonly string[] {
    return [...this.#known.keys()];
  }

  /** Takes what is new; answers the devices that have changed. */
  async collect(): Promise<Set<string>> {
    const changed = new Set<string>();
    for (const [stream, journal] of this.#parts.readingStreams) {
      for (const { device, lastSeq } of journal.devices()) {
        const key = `${stream}\n${device}`;
        if (this.#read.get(key) === lastSeq) continue;
        const known = this.#of(device);
        if (!known) continue;
        this.#read.set(key, lastSeq);
        const [record] = await journal.read(lastSeq - 1, 1);
        if (record?.seq !== lastSeq) continue;
        known.readings[stream] = valuesOf(record.value.fields, record.value.values);
        changed.add(device);
      }
    }
    for (const [key, json] of this.#results) {
      const [pipeline, device] = key.split('\n') as [string, string];
      const known = this.#of(device);
      if (!known) continue;
      const { outputs } = JSON.parse(json) as ResultDocument;
      const values = valuesOf(Object.keys(outputs), Object.values(outputs));
      if (this.#conditions.has(pipeline))
        values.notable = this.#notable.has(key) || this.#isNotable(pipeline, json);
      known.results[pipeline] = values;
      changed.add(device);
    }
    this.#results.clear();
    this.#notable.clear();
    this.#parsed = 0;
    return changed;
  }

  #note(pipeline: string, device: string, json: string): void {
    const key = `${pipeline}\n${device}`;
    if (!this.#results.has(key) && this.#results.size >= this.#parts.config.homeAssistant.maxDevices * 4)
      return;
    this.#results.set(key, json);
    if (this.#notable.has(key) || this.#parsed >= MAX_PARSED || !this.#conditions.has(pipeline)) return;
    this.#parsed++;
    if (this.#isNotable(pipeline, json)) this.#notable.add(key);
  }

  #isNotable(pipeline: string, json: string): boolean {
    const document = JSON.parse(json) as ResultDocument;
    return this.#conditions.get(pipeline)!(
      document.outputs,
      document as unknown as Readonly<Record<string, unknown>>,
    );
  }

  /** Undefined for devices beyond the bound. */
  #of(device: string): Known | undefined {
    const known = this.#known.get(device);
    if (known || this.#known.size >= this.#parts.config.homeAssistant.maxDevices) return known;
    const fresh = { readings: {}, results: {} };
    this.#known.set(device, fresh);
    return fresh;
  }
}

/** What Home Assistant can show: numbers, short texts, yes and no. */
function valuesOf(names: readonly string[], values: readonly unknown[]): Values {
  const found: Values = {};
  let left = MAX_VALUES;
  names.forEach((name, i) => {
    const value = values[i];
    const usable =
      typeof value === 'boolean' ||
      (typeof value === 'number' && Number.isFinite(value)) ||
      (typeof value === 'string' && value.length <= MAX_TEXT);
    if (usable && left-- > 0) found[name] = value;
  });
  return found;
}
