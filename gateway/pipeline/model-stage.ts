import type { Clock } from '../ports/clock.ts';
import type { Inference, ModelAnswer, ModelInfo, ModelInput, ModelOutput } from '../ports/inference.ts';
import type { Meter, Usage } from '../ports/meter.ts';
import type { NewRecord } from '../store/types.ts';
import type { ClosedWindow } from '../stream/window.ts';
import { Histogram } from './histogram.ts';
import { KeptStates } from './kept-states.ts';
import type { ResultText } from './result-json.ts';
import type { Outcome, Stage } from './unit.ts';

/** Bytes of bookkeeping per waiting window, besides its values. */
const WINDOW_OVERHEAD = 128;

export interface ModelStageOptions {
  readonly pipeline: string;
  readonly model: string;
  readonly columns: number;
  readonly inference: Inference;
  readonly text: ResultText;
  /** Absent: nothing is billed. */
  readonly meter: Meter | undefined;
  readonly clock: Clock;
  /** Milliseconds a window may wait for the model. */
  readonly deadlineMs: number | undefined;
  readonly results: string;
  readonly rejected: string;
  /** A committed result, in order. Must not throw. */
  readonly published: (device: string, json: string) => void;
  /** Windows that gave way. */
  readonly shedding: (count: number) => void;
}

/** Counters since the start of the process. */
export interface ModelStageCounters {
  windows: number;
  results: number;
  errors: number;
  shed: number;
  batches: number;
}

/** Runs windows through a model and makes result documents, rejects and usages of the answers. */
export class ModelStage implements Stage<ClosedWindow> {
  readonly counters: ModelStageCounters = { windows: 0, results: 0, errors: 0, shed: 0, batches: 0 };
  /** From the arrival of the reading that completed a window to the commit of its result, in ms. */
  readonly latency = new Histogram();
  readonly #options: ModelStageOptions;
  readonly #states = new KeptStates();
  readonly #account: string;
  #info: ModelInfo;

  constructor(options: ModelStageOptions) {
    this.#options = options;
    this.#account = `pipeline/${options.pipeline}`;
    this.#info = options.inference.model(options.model);
  }

  get batch(): number {
    return Math.max(1, this.#info.maxBatch);
  }

  get stateful(): boolean {
    return this.#info.recurrent;
  }

  get stateBytes(): number {
    return this.#states.bytes;
  }

  size(window: ClosedWindow): number {
    return window.values.byteLength + WINDOW_OVERHEAD;
  }

  shed(window: ClosedWindow): string {
    this.counters.windows++;
    this.#drop(1);
    return this.#identity(window);
  }

  restore(key: string, bytes: Uint8Array): void {
    this.#states.restore(key, bytes);
  }

  async replay(windows: readonly ClosedWindow[], skipped: ReadonlySet<string>): Promise<void> {
    await this.#infer(windows.filter((window) => !skipped.has(this.#identity(window))));
  }

  async run(windows: readonly ClosedWindow[], snapshot: boolean): Promise<Outcome> {
    const { clock, inference, model, text } = this.#options;
    this.#info = inference.model(model);
    text.use(this.#info);
    const startedAt = clock.now();
    const skipped: string[] = [];
    const live = this.#inTime(windows, startedAt, skipped);
    const answers = await this.#infer(live);
    const results: NewRecord<string>[] = [];
    const rejects: NewRecord<string>[] = [];
    const uses: Usage[] = [];
    for (let i = 0; i < live.length; i++) {
      const window = live[i]!;
      const answer = answers[i]!;
      const record = { device: window.key, time: window.time, flags: 0 };
      if (answer.ok) {
        const value = text.document(window.key, window.time, window.ordinal, answer.output.outputs);
        results.push({ ...record, value });
        if (this.#options.meter) uses.push(this.#usage(window, answer.output, value, startedAt));
      } else {
        rejects.push({ ...record, value: this.#rejection(window, answer.code, answer.message) });
        if (this.stateful) skipped.push(this.#identity(window));
      }
    }
    const state: { key: string; bytes: Uint8Array }[] = [];
    if (snapshot) this.#states.snapshot((key, bytes) => state.push({ key, bytes }));
    return {
      appends: [
        ...(results.length > 0 ? [{ stream: this.#options.results, records: results }] : []),
        ...(rejects.length > 0 ? [{ stream: this.#options.rejected, records: rejects }] : []),
      ],
      ops: uses.length > 0 ? this.#options.meter!.charge(uses) : [],
      skipped,
      state,
      committed: () => this.#committed(live, answers, results),
    };
  }

  #committed(
    windows: readonly ClosedWindow[],
    answers: readonly ModelAnswer[],
    results: readonly NewRecord<string>[],
  ): void {
    const { clock, published } = this.#options;
    const now = clock.now();
    this.counters.windows += windows.length;
    this.counters.results += results.length;
    this.counters.errors += windows.length - results.length;
    for (let i = 0; i < windows.length; i++) {
      if (answers[i]!.ok) this.latency.record(now - windows[i]!.arrival);
    }
    for (const { device, value } of results) published(device, value);
  }

  /** Answers in the order of `windows`, whatever batches they went in. */
  async #infer(windows: readonly ClosedWindow[]): Promise<ModelAnswer[]> {
    const answers = new Array<ModelAnswer>(windows.length);
    if (!this.stateful) {
      await this.#batches(
        windows.map((_, i) => i),
        windows,
        answers,
      );
      return answers;
    }
    for (const wave of wavesOf(windows)) await this.#batches(wave, windows, answers);
    return answers;
  }

  async #batches(
    indexes: readonly number[],
    windows: readonly ClosedWindow[],
    answers: ModelAnswer[],
  ): Promise<void> {
    const batches: Promise<void>[] = [];
    for (let from = 0; from < indexes.length; from += this.batch) {
      batches.push(this.#batch(indexes.slice(from, from + this.batch), windows, answers));
    }
    await Promise.all(batches);
  }

  async #batch(
    indexes: readonly number[],
    windows: readonly ClosedWindow[],
    answers: ModelAnswer[],
  ): Promise<void> {
    const { inference, model, columns } = this.#options;
    const recurrent = this.stateful;
    const items = indexes.map((i): ModelInput => {
      const { key, values, rows } = windows[i]!;
      return { state: recurrent ? this.#states.get(key) : undefined, window: values, rows, columns };
    });
    const answered = await inference.run(model, items);
    this.counters.batches++;
    for (let n = 0; n < indexes.length; n++) {
      const i = indexes[n]!;
      const answer = answered[n] ?? NO_ANSWER;
      answers[i] = answer;
      if (recurrent && answer.ok && answer.output.state)
        this.#states.set(windows[i]!.key, answer.output.state);
    }
  }

  #inTime(windows: readonly ClosedWindow[], now: number, skipped: string[]): readonly ClosedWindow[] {
    const { deadlineMs } = this.#options;
    if (deadlineMs === undefined) return windows;
    const live = windows.filter((window) => now - window.arrival <= deadlineMs);
    if (live.length === windows.length) return windows;
    if (this.stateful) {
      for (const window of windows) {
        if (now - window.arrival > deadlineMs) skipped.push(this.#identity(window));
      }
    }
    this.counters.windows += windows.length - live.length;
    this.#drop(windows.length - live.length);
    return live;
  }

  #drop(count: number): void {
    this.counters.shed += count;
    this.#options.shedding(count);
  }

  #identity(window: ClosedWindow): string {
    return `${window.key}/${window.time}-${window.ordinal}`;
  }

  #rejection(window: ClosedWindow, code: string, message: string): string {
    const id = this.#options.text.id(window.key, window.time, window.ordinal);
    const { pipeline } = this.#options;
    const { key: device, time, rows } = window;
    return JSON.stringify({
      id,
      pipeline,
      device,
      time,
      code,
      message,
      rows,
      columns: this.#options.columns,
    });
  }

  #usage(window: ClosedWindow, output: ModelOutput, answer: string, startedAt: number): Usage {
    const { values, rows } = window;
    const requestId = this.#options.text.id(window.key, window.time, window.ordinal);
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    return {
      requestId,
      account: this.#account,
      model: this.#info,
      startedAt,
      computeUs: Math.round(output.computeUs),
      bytesIn: values.byteLength,
      bytesOut: Buffer.byteLength(answer),
      // The window as the model got it: row-major little-endian doubles.
      request: `{"id":${JSON.stringify(requestId)},"rows":${rows},"columns":${this.#options.columns},"f64":"${bytes.toString('base64')}"}`,
      answer,
    };
  }
}

const NO_ANSWER: ModelAnswer = { ok: false, code: 'INTERNAL', message: 'the model host gave no answer' };

/** Indexes in waves that hold each key at most once, in order per key. */
function wavesOf(windows: readonly ClosedWindow[]): number[][] {
  const seen = new Map<string, number>();
  const waves: number[][] = [];
  for (let i = 0; i < windows.length; i++) {
    const { key } = windows[i]!;
    const wave = seen.get(key) ?? 0;
    seen.set(key, wave + 1);
    const members = waves[wave];
    if (members === undefined) waves[wave] = [i];
    else members.push(i);
  }
  return waves;
}
