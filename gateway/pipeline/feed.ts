import type { Log } from '../ports/log.ts';
import type { ResultFeed } from '../ports/results.ts';
import type { JournalStream } from '../store/types.ts';

/** Bounds of what the feed holds: newest results of this many devices, and this many characters of JSON. */
const MAX_RESULTS = 20_000;
const MAX_CHARACTERS = 32 * 1024 * 1024;
/** Results read back per pipeline at the start. */
const REFILL = 20_000;

/** The newest result of one device in one pipeline; a link of the line in which the least recently written is first. */
interface Latest {
  readonly pipeline: string;
  readonly device: string;
  json: string;
  earlier: Latest | undefined;
  later: Latest | undefined;
}

/** The newest result per pipeline and device, least recently written forgotten first. Holds nothing a restart loses. */
export class LatestResults implements ResultFeed {
  readonly #pipelines: readonly string[];
  readonly #log: Log;
  /** By pipeline, then by device. */
  readonly #latest = new Map<string, Map<string, Latest>>();
  #first: Latest | undefined;
  #last: Latest | undefined;
  #results = 0;
  readonly #listeners = new Set<(pipeline: string, device: string, json: string) => void>();
  #characters = 0;

  constructor(pipelines: readonly string[], log: Log) {
    this.#pipelines = pipelines;
    this.#log = log;
  }

  latest(pipeline: string, device: string): string | undefined {
    return this.#latest.get(pipeline)?.get(device)?.json;
  }

  pipelines(): readonly string[] {
    return this.#pipelines;
  }

  devices(pipeline: string): readonly string[] {
    return [...(this.#latest.get(pipeline)?.keys() ?? [])];
  }

  subscribe(listener: (pipeline: string, device: string, json: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes a committed result and tells the listeners. */
  put(pipeline: string, device: string, json: string): void {
    this.#keep(pipeline, device, json);
    for (const listener of this.#listeners) {
      try {
        listener(pipeline, device, json);
      } catch (error) {
        this.#log.error({ err: error, pipeline, device }, 'results: a listener failed and missed one result');
      }
    }
  }

  /** Reads the end of a result stream back, without telling anybody. */
  async refill(pipeline: string, stream: JournalStream<string>): Promise<void> {
    let after = Math.max(stream.tail - 1, stream.head - REFILL);
    const { head } = stream;
    while (after < head) {
      const records = await stream.read(after, 1000);
      if (records.length === 0) return;
      for (const { device, value } of records) this.#keep(pipeline, device, value);
      after = records.at(-1)!.seq;
    }
  }

  #keep(pipeline: string, device: string, json: string): void {
    let devices = this.#latest.get(pipeline);
    if (devices === undefined) {
      devices = new Map();
      this.#latest.set(pipeline, devices);
    }
    let one = devices.get(device);
    if (one === undefined) {
      one = { pipeline, device, json, earlier: undefined, later: undefined };
      devices.set(device, one);
      this.#results++;
    } else {
      this.#characters -= one.json.length;
      this.#unlink(one);
      one.json = json;
    }
    this.#characters += json.length;
    this.#append(one);
    while (this.#results > MAX_RESULTS || this.#characters > MAX_CHARACTERS) this.#forget(this.#first!);
  }

  #forget(one: Latest): void {
    this.#unlink(one);
    this.#latest.get(one.pipeline)!.delete(one.device);
    this.#results--;
    this.#characters -= one.json.length;
  }

  #append(one: Latest): void {
    one.earlier = this.#last;
    if (this.#last === undefined) this.#first = one;
    else this.#last.later = one;
    this.#last = one;
  }

  #unlink(one: Latest): void {
    if (one.earlier === undefined) this.#first = one.later;
    else one.earlier.later = one.later;
    if (one.later === undefined) this.#last = one.earlier;
    else one.later.earlier = one.earlier;
    one.earlier = undefined;
    one.later = undefined;
  }
}
