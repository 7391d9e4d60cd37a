import type { Clock } from '../ports/clock.ts';
import type { ModelInfo } from '../ports/inference.ts';
import type { Meter } from '../ports/meter.ts';
import { Entry } from '../store/record.ts';
import type { NewRecord } from '../store/types.ts';
import type { ClosedWindow } from '../stream/window.ts';
import { Histogram } from './histogram.ts';
import type { Answers, ModelCalls } from './model-calls.ts';
import type { ResultText } from './result-json.ts';
import type { Outcome, Stage } from './unit.ts';
import { UseBlock } from './use-block.ts';

/** Bytes of bookkeeping per waiting window, besides its values. */
const WINDOW_OVERHEAD = 128;
/** Windows up to this size are kept with the reason why the model did not answer them. */
const KEPT_BYTES = 64 * 1024;
/** Answers that say nothing about the window: the model did not come to it. */
const SHED: ReadonlySet<string> = new Set(['DEADLINE', 'QUEUE_FULL']);

export interface ModelStageOptions {
  readonly pipeline: string;
  readonly columns: number;
  readonly calls: ModelCalls;
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

/** Makes result documents, rejects and usages of what the model answers to windows. */
export class ModelStage implements Stage<ClosedWindow> {
  /** Since the start of the process. */
  readonly counters = { windows: 0, results: 0, errors: 0, shed: 0 };
  /** From the arrival of the reading that completed a window to the commit of its result, in ms. */
  readonly latency = new Histogram();
  readonly #options: ModelStageOptions;
  readonly #calls: ModelCalls;
  readonly #patience: number;
  readonly #account: string;
  /** One per version that answers; used again by each unit. */
  readonly #blocks: UseBlock[] = [];

  constructor(options: ModelStageOptions) {
    this.#options = options;
    this.#calls = options.calls;
    this.#account = `pipeline/${options.pipeline}`;
    this.#patience = options.deadlineMs ?? Number.POSITIVE_INFINITY;
  }

  get batch(): number {
    return Math.max(1, this.#calls.info.maxBatch);
  }

  get stateful(): boolean {
    return this.#calls.info.recurrent;
  }

  get stateBytes(): number {
    return this.#calls.states.bytes;
  }

  size(window: ClosedWindow): number {
    return window.values.byteLength + WINDOW_OVERHEAD;
  }

  shed(window: ClosedWindow): string {
    this.#shed(1);
    return identity(window);
  }

  restore(key: string, bytes: Uint8Array): void {
    this.#calls.states.restore(key, bytes);
  }

  async replay(
    windows: readonly ClosedWindow[],
    skipped: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<void> {
    const seen = windows.filter((window) => !skipped.has(identity(window)));
    await this.#calls.answer(seen, { deadline: Number.POSITIVE_INFINITY, signal });
  }

  async run(windows: readonly ClosedWindow[], snapshot: boolean, signal: AbortSignal): Promise<Outcome> {
    const { clock, text } = this.#options;
    this.#calls.lookUp();
    const startedAt = clock.now();
    const [live, stale] = this.#inTime(windows, startedAt);
    const answers = await this.#calls.answer(live, { deadline: this.#patience, signal });
    const results: NewRecord<string>[] = [];
    const rejects: NewRecord<string>[] = [];
    const { meter, columns } = this.#options;
    let blocks = 0;
    const unanswered: ClosedWindow[] = [];
    for (let i = 0; i < live.length; i++) {
      const window = live[i]!;
      const part = answers.part(i);
      const { key: device, time } = window;
      if (part) {
        const model = answers.model(i);
        let at = 0;
        while (at < blocks && this.#blocks[at]!.model !== model) at++;
        if (at === blocks) this.#begin(blocks++, model, startedAt);
        const block = this.#blocks[at]!;
        text.use(model);
        text.writeDocument(block.answer(), device, time, window.ordinal, part.columns, answers.place(i));
        results.push(new Entry(device, time, 0, block.answered()));
        if (meter) block.bill(window, columns, part.computeUs, text);
        continue;
      }
      unanswered.push(window);
      const { code, message } = answers.failure(i);
      if (SHED.has(code)) continue;
      rejects.push({ device, time, flags: 0, value: this.#rejection(window, code, message) });
    }
    const state: { key: string; bytes: Uint8Array }[] = [];
    if (snapshot) this.#calls.states.snapshot((key, bytes) => state.push({ key, bytes }));
    const shed = stale.length + unanswered.length - rejects.length;
    return {
      appends: [
        ...(results.length > 0 ? [{ stream: this.#options.results, records: results }] : []),
        ...(rejects.length > 0 ? [{ stream: this.#options.rejected, records: rejects }] : []),
      ],
      ops: meter ? this.#blocks.slice(0, blocks).flatMap((block) => meter.chargeBlock(block)) : [],
      skipped: this.stateful ? [...stale, ...unanswered].map(identity) : [],
      state,
      committed: () => {
        this.counters.windows += live.length + stale.length - shed;
        this.counters.results += results.length;
        this.counters.errors += rejects.length;
        if (shed > 0) this.#shed(shed);
        this.#tell(live, answers, results);
      },
    };
  }

  #tell(windows: readonly ClosedWindow[], answers: Answers, results: readonly NewRecord<string>[]): void {
    const { clock, published } = this.#options;
    const now = clock.now();
    for (let i = 0; i < windows.length; i++) {
      if (answers.part(i)) this.latency.record(now - windows[i]!.arrival);
    }
    for (const { device, value } of results) published(device, value);
  }

  /** The windows that are worth computing at `now`, and those whose deadline has passed. */
  #inTime(windows: readonly ClosedWindow[], now: number): [readonly ClosedWindow[], readonly ClosedWindow[]] {
    if (this.#options.deadlineMs === undefined) return [windows, []];
    const earliest = now - this.#patience;
    const stale = windows.filter(({ arrival }) => arrival < earliest);
    return stale.length === 0
      ? [windows, stale]
      : [windows.filter(({ arrival }) => arrival >= earliest), stale];
  }

  #shed(count: number): void {
    this.counters.windows += count;
    this.counters.shed += count;
    this.#options.shedding(count);
  }

  #rejection(window: ClosedWindow, code: string, message: string): string {
    const { pipeline, columns, text } = this.#options;
    const { key: device, time, rows, values } = window;
    const id = text.id(device, time, window.ordinal);
    const f64 = values.byteLength <= KEPT_BYTES ? base64(values) : undefined;
    return JSON.stringify({ id, pipeline, device, time, code, message, rows, columns, f64 });
  }

  #begin(index: number, model: ModelInfo, startedAt: number): void {
    this.#blocks[index] ??= new UseBlock(this.#account, model);
    this.#blocks[index]!.begin(model, startedAt);
  }
}

const identity = ({ key, time, ordinal }: ClosedWindow): string => `${key}/${time}-${ordinal}`;

/** Row-major little-endian doubles. */
function base64(values: Float64Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}
