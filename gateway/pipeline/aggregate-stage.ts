import type { ClosedAggregate } from '../stream/aggregator.ts';
import { type Summary, statistic } from '../stream/summary.ts';
import type { Outcome, Stage } from './unit.ts';

const NO_OUTPUT: Outcome = { appends: [], ops: [], skipped: [], state: [], committed: () => undefined };

export interface AggregateStageOptions {
  readonly gateway: string;
  readonly aggregate: string;
  readonly stream: string;
  readonly length: number;
  readonly stats: readonly string[];
  readonly output: string;
}

/** Writes aggregates as JSON documents: `{id, aggregate, stream, device, start, end, fields: {value: {count, …}}}`. */
export class AggregateStage implements Stage<ClosedAggregate> {
  readonly batch = 256;
  readonly stateful = false;
  readonly stateBytes = 0;
  readonly counters = { documents: 0 };
  readonly #options: AggregateStageOptions;

  constructor(options: AggregateStageOptions) {
    this.#options = options;
  }

  size(): number {
    return 512;
  }

  shed({ device, start }: ClosedAggregate): string {
    return `${device}/${start}`;
  }

  restore(): void {
    throw new RangeError('an aggregate keeps no state of a model');
  }

  async replay(): Promise<void> {}

  async run(jobs: readonly ClosedAggregate[]): Promise<Outcome> {
    if (jobs.length === 0) return NO_OUTPUT;
    const records = jobs.map((job) => ({
      device: job.device,
      time: job.end,
      flags: 0,
      value: this.#document(job),
    }));
    return {
      ...NO_OUTPUT,
      appends: [{ stream: this.#options.output, records }],
      committed: () => {
        this.counters.documents += records.length;
      },
    };
  }

  #document({ device, start, end, fields }: ClosedAggregate): string {
    const { gateway, aggregate, stream, length } = this.#options;
    return JSON.stringify({
      id: `${gateway}/aggregate/${aggregate}/${device}/${start}-${length}`,
      aggregate,
      stream,
      device,
      start,
      end,
      fields: Object.fromEntries([...fields].map(([name, summary]) => [name, this.#statistics(summary)])),
    });
  }

  /** A statistic that is not defined (the spread of one value) is null. */
  #statistics(summary: Summary): Record<string, number | null> {
    return Object.fromEntries(
      this.#options.stats.map((name) => {
        const value = statistic(summary, name);
        return [name, Number.isFinite(value) ? value : null];
      }),
    );
  }
}
