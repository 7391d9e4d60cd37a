import { Latencies, type LatencySummary } from './latencies.ts';
import { poissonGap } from './random.ts';

/**
 * The four load scenarios of MLPerf Inference (Reddi et al., "MLPerf Inference Benchmark", 2020, §IV): how queries
 * arrive. Their run lengths are ours: `seconds` in place of MLPerf's ten minutes.
 *
 * | scenario | queries | metric |
 * |---|---|---|
 * | SingleStream | one sample, the next when the last is answered | 90th percentile of latency |
 * | MultiStream | eight samples, the next when the last is answered | 99th percentile of latency |
 * | Server | one sample each, Poisson arrivals at a rate | the rate, while the 99th percentile stays in bounds |
 * | Offline | all samples at once | samples per second |
 */
export type Scenario = 'SingleStream' | 'MultiStream' | 'Server' | 'Offline';

export const SCENARIOS: readonly Scenario[] = ['SingleStream', 'MultiStream', 'Server', 'Offline'];

/** Samples of one MultiStream query, as MLPerf has it. */
export const MULTI_STREAM_SAMPLES = 8;

/** What is measured: answers one sample, with whether the answer was a result. Never rejects. */
export type Issue = (sample: number) => Promise<boolean>;

export interface Load {
  readonly issue: Issue;
  /** How long queries are made. A query under way is waited for. */
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Called now and then with the share that is done. */
  readonly progress?: (share: number) => void;
}

export interface Measured {
  readonly queries: number;
  readonly samples: number;
  /** Samples that got no result. */
  readonly failed: number;
  /** From the first query to the last answer. */
  readonly seconds: number;
  /** Per query; for Server from the moment it was due, so that a slow start of a query counts. */
  readonly latency: LatencySummary;
}

/** Fewest queries for a percentile to mean something; slow models run longer than `seconds` for them. */
const FEWEST = 10;
/** However slow the model is, a scenario ends after this many times `seconds`. */
const PATIENCE = 4;

/** Queries of `samples` samples, one after the other: SingleStream with 1, MultiStream with 8. */
export async function inTurn(load: Load, samples: number): Promise<Measured> {
  const latencies = new Latencies();
  const begin = load.now();
  let next = 0;
  let failed = 0;
  for (let at = begin; goesOn(load, at - begin, latencies.count); ) {
    const answers: Promise<boolean>[] = [];
    for (let i = 0; i < samples; i++) answers.push(load.issue(next++));
    for (const ok of await Promise.all(answers)) if (!ok) failed++;
    const end = load.now();
    latencies.add(end - at);
    at = end;
  }
  return measured(load, begin, latencies, next, failed);
}

function goesOn({ seconds, signal, progress }: Load, elapsedMs: number, queries: number): boolean {
  if (signal.aborted) return false;
  const share = elapsedMs / (seconds * 1000);
  progress?.(Math.min(1, share));
  return share < 1 || (queries < FEWEST && share < PATIENCE);
}

function measured(
  load: Load,
  begin: number,
  latencies: Latencies,
  samples: number,
  failed: number,
): Measured {
  const seconds = Math.max(1e-6, (load.now() - begin) / 1000);
  return { queries: latencies.count, samples, failed, seconds, latency: latencies.summary() };
}

/**
 * Every sample wanted as soon as possible: `outstanding` of them are on their way at any time, which stands for the one
 * query with all samples that MLPerf makes, without holding all of it in memory.
 */
export async function offline(load: Load, outstanding: number): Promise<Measured> {
  const latencies = new Latencies();
  const begin = load.now();
  let next = 0;
  let failed = 0;
  const lane = async (): Promise<void> => {
    for (let at = load.now(); goesOn(load, at - begin, latencies.count); ) {
      if (!(await load.issue(next++))) failed++;
      const end = load.now();
      latencies.add(end - at);
      at = end;
    }
  };
  await Promise.all(Array.from({ length: outstanding }, lane));
  return measured(load, begin, latencies, next, failed);
}

/** Samples under way at which a Server run gives up: the model is too slow for the rate. */
const MOST_UNDER_WAY = 4096;

/** Poisson arrivals of `rate` samples per second. Ends early, with what it has, when the model falls far behind. */
export async function server(load: Load, rate: number, random: () => number): Promise<Measured> {
  const latencies = new Latencies();
  const begin = load.now();
  let underWay = 0;
  let next = 0;
  let failed = 0;
  let idle: () => void = () => undefined;
  const answered = (due: number, ok: boolean): void => {
    latencies.add(load.now() - due);
    if (!ok) failed++;
    if (--underWay === 0) idle();
  };
  let due = begin + poissonGap(random, rate);
  while (goesOn(load, due - begin, next) && underWay < MOST_UNDER_WAY) {
    await until(load, due);
    // Everything that is due by now, so that a late timer does not lower the rate.
    for (const now = load.now(); due <= now && underWay < MOST_UNDER_WAY; due += poissonGap(random, rate)) {
      const at = due;
      underWay++;
      void load.issue(next++).then((ok) => answered(at, ok));
    }
  }
  if (underWay > 0)
    await new Promise<void>((resolve) => {
      idle = resolve;
    });
  return measured(load, begin, latencies, next, failed);
}

/** Timers wake a millisecond late: the last of it passes turn by turn of the event loop. */
async function until({ now }: Load, time: number): Promise<void> {
  for (let left = time - now(); left > 0; left = time - now()) {
    await new Promise<void>((resolve) => {
      if (left > 2) setTimeout(resolve, left - 1.5);
      else setImmediate(resolve);
    });
  }
}
