import type { Log } from '../ports/log.ts';
import type { ResultFeed } from '../ports/results.ts';
import type { JournalStream } from '../store/types.ts';

/** Bounds of what the feed holds: newest results of this many devices, and this many characters of JSON. */
const MAX_RESULTS = 20_000;
const MAX_CHARACTERS = 32 * 1024 * 1024;
/** Results read back per pipeline at the start. */
const REFILL = 20_000;

/** Separates pipeline and device in a key; neither may contain it. */
const SEPARATOR = '\n';

/** The newest result per pipeline and device, least recently written forgotten first. Holds nothing a restart loses. */
export class LatestResults implements ResultFeed {
  readonly #pipelines: readonly string[];
  readonly #log: Log;
  readonly #latest = new Map<string, string>();
  readonly #listeners = new Set<(pipeline: string, device: string, json: string) => void>();
  #characters = 0;

  constructor(pipelines: readonly string[], log: Log) {
    this.#pipelines = pipelines;
    this.#log = log;
  }

  latest(pipeline: string, device: string): string | undefined {
    return this.#latest.get(pipeline + SEPARATOR + device);
  }

  pipelines(): readonly string[] {
    return this.#pipelines;
  }

  devices(pipeline: string): readonly string[] {
    const prefix = pipeline + SEPARATOR;
    const devices: string[] = [];
    for (const key of this.#latest.keys()) if (key.startsWith(prefix)) devices.push(key.slice(prefix.length));
    return devices;
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
    const key = pipeline + SEPARATOR + device;
    const before = this.#latest.get(key);
    if (before !== undefined) {
      this.#characters -= before.length;
      this.#latest.delete(key);
    }
    this.#latest.set(key, json);
    this.#characters += json.length;
    while (this.#latest.size > MAX_RESULTS || this.#characters > MAX_CHARACTERS) {
      const [oldest, text] = this.#latest.entries().next().value!;
      this.#latest.delete(oldest);
      this.#characters -= text.length;
    }
  }
}
