/** Figures of a version on trial, since its trial began. */
export interface TrialStats {
  /** Windows and calls it was given. */
  readonly requests: number;
  /** Those it failed although the version beside it could answer. */
  readonly errors: number;
  /** Answers that were held against the live version's. */
  readonly compared: number;
  readonly agreed: number;
  /** Largest and mean difference between numbers of compared answers. */
  readonly maxDifference: number;
  readonly meanDifference: number;
  /** Mean compute time of a window or call in microseconds, and that of the live version. */
  readonly computeUs: number;
  readonly liveComputeUs: number;
  /** Given up because too much was waiting: nothing is known of these. */
  readonly skipped: number;
  readonly lastError: string | null;
}

/** When a trial ends by itself. */
export interface TrialLimits {
  /** So many of the newest outcomes are judged; latency counts from as many on. */
  readonly sample: number;
  /** Share of requests that may fail. */
  readonly maxErrorRate: number;
  /** Share of compared answers that may differ. */
  readonly maxDisagreement: number;
  /** How many times the live version's mean compute time it may take. */
  readonly maxLatencyRatio: number;
}

/** A version that is this much slower per answer is not worth talking about, microseconds. */
const SLOWER_US = 1000;
const WEIGHT = 0.05;

/** The newest outcomes, good and bad. */
class Recent {
  readonly #bad: Uint8Array;
  #next = 0;
  count = 0;

  constructor(size: number) {
    this.#bad = new Uint8Array(size);
  }

  note(bad: boolean): void {
    const at = this.#next++ % this.#bad.length;
    this.count += Number(bad) - this.#bad[at]!;
    this.#bad[at] = Number(bad);
  }
}

/** Counts what a version on trial does, and says when that is too bad. */
export class Outcomes {
  readonly #limits: TrialLimits;
  readonly #errors: Recent;
  readonly #differences: Recent;
  #requests = 0;
  #errorCount = 0;
  #compared = 0;
  #agreed = 0;
  #maxDifference = 0;
  #sumDifference = 0;
  #computeUs = 0;
  #liveComputeUs = 0;
  #lastError: string | null = null;
  skipped = 0;

  constructor(limits: TrialLimits) {
    this.#limits = limits;
    this.#errors = new Recent(limits.sample);
    this.#differences = new Recent(limits.sample);
  }

  get compared(): number {
    return this.#compared;
  }

  /** An answer came. */
  answered(computeUs: number): void {
    this.#requests++;
    this.#errors.note(false);
    this.#computeUs = smoothed(this.#computeUs, computeUs, this.#requests);
  }

  /** None came, although the version beside it could answer. */
  failed(reason: string): void {
    this.#requests++;
    this.#errorCount++;
    this.#errors.note(true);
    this.#lastError = reason.slice(0, 500);
  }

  /** The live version answered something, in so many microseconds. */
  live(computeUs: number): void {
    this.#liveComputeUs = smoothed(this.#liveComputeUs, computeUs, 2);
  }

  /** An answer was held against the live version's. */
  compare(agrees: boolean, difference: number): void {
    this.#compared++;
    if (agrees) this.#agreed++;
    this.#differences.note(!agrees);
    this.#maxDifference = Math.max(this.#maxDifference, difference);
    this.#sumDifference += difference;
  }

  /** Why the trial must end; undefined while it may go on. */
  verdict(): string | undefined {
    const { sample, maxErrorRate, maxDisagreement, maxLatencyRatio } = this.#limits;
    const percent = (share: number): string => `${Number((100 * share).toFixed(2))} %`;
    const newest = (count: number, all: number): string => `${count} of the newest ${Math.min(all, sample)}`;
    if (this.#errors.count > Math.max(maxErrorRate * sample, 0))
      return `${newest(this.#errors.count, this.#requests)} calls failed, ${percent(maxErrorRate)} of ${sample} are allowed; the last: ${this.#lastError}`;
    if (this.#differences.count > maxDisagreement * sample)
      return `${newest(this.#differences.count, this.#compared)} answers differ from the live version's, ${percent(maxDisagreement)} of ${sample} are allowed`;
    const slow = this.#computeUs > this.#liveComputeUs * maxLatencyRatio + SLOWER_US;
    if (this.#requests >= sample && this.#liveComputeUs > 0 && slow)
      return `it takes ${ms(this.#computeUs)} an answer, the live version ${ms(this.#liveComputeUs)}; ${maxLatencyRatio} times that is allowed`;
    return undefined;
  }

  stats(): TrialStats {
    return {
      requests: this.#requests,
      errors: this.#errorCount,
      compared: this.#compared,
      agreed: this.#agreed,
      maxDifference: this.#maxDifference,
      meanDifference: this.#compared === 0 ? 0 : this.#sumDifference / this.#compared,
      computeUs: Math.round(this.#computeUs),
      liveComputeUs: Math.round(this.#liveComputeUs),
      skipped: this.skipped,
      lastError: this.#lastError,
    };
  }
}

const ms = (us: number): string => `${(us / 1000).toFixed(1)} ms`;

/** The first value counts whole, later ones a little each. */
const smoothed = (mean: number, value: number, count: number): number =>
  mean === 0 || count <= 1 ? value : mean + WEIGHT * (value - mean);
