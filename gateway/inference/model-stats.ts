import type { Priority } from '../ports/inference.ts';

/** Counts per bucket: `counts[i]` values were at most `bounds[i]`, the last one counts what is above all bounds. */
export interface HistogramStats {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

class Histogram implements HistogramStats {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  add(value: number, times = 1): void {
    const { bounds } = this;
    let i = 0;
    while (i < bounds.length && value > bounds[i]!) i++;
    this.counts[i] = this.counts[i]! + times;
    this.sum += value * times;
  }
}

const BATCH = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096];
/** Milliseconds. */
const TIMES = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000];

/** Counters of one model since the gateway started. */
export class ModelStats {
  /** Runs of the model. */
  runs = 0;
  /** Rows computed: windows, and rows of calls along dimension 0. */
  items = 0;
  largestBatch = 0;
  /** Sum over runs, microseconds. */
  computeUs = 0;
  /** From submission to dispatch: sum over rows and largest, milliseconds. */
  queueMs = 0;
  queueMaxMs = 0;
  /** Windows and calls answered with a code, by code. */
  readonly failures: Record<string, number> = {};
  /** The same by priority. */
  readonly failuresBy: Record<Priority, Record<string, number>> = { pipeline: {}, interactive: {}, bulk: {} };
  /** Rows in one run. */
  readonly batchSize: HistogramStats = new Histogram(BATCH);
  /** Milliseconds of one run. */
  readonly runMs: HistogramStats = new Histogram(TIMES);
  /** Milliseconds that rows waited. */
  readonly waitMs: Readonly<Record<Priority, HistogramStats>> = {
    pipeline: new Histogram(TIMES),
    interactive: new Histogram(TIMES),
    bulk: new Histogram(TIMES),
  };

  noteRun(rows: number, micros: number): void {
    this.runs++;
    this.items += rows;
    this.largestBatch = Math.max(this.largestBatch, rows);
    this.computeUs += micros;
    (this.batchSize as Histogram).add(rows);
    (this.runMs as Histogram).add(micros / 1000);
  }

  noteWait(priority: Priority, rows: number, ms: number): void {
    this.queueMs += ms * rows;
    this.queueMaxMs = Math.max(this.queueMaxMs, ms);
    (this.waitMs[priority] as Histogram).add(ms, rows);
  }

  noteFailure(priority: Priority, code: string): void {
    this.failures[code] = (this.failures[code] ?? 0) + 1;
    const by = this.failuresBy[priority];
    by[code] = (by[code] ?? 0) + 1;
  }
}
