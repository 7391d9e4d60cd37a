/** The parts of a report of `aimx-gateway bench` (format aimx-bench/1) that are shown. */
export interface Report {
  readonly createdAt: string;
  readonly machine: {
    readonly board: string;
    readonly cpu: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly system: string;
    readonly node: string;
  };
  readonly models: readonly ModelResult[];
}

export interface ModelResult {
  readonly model: { readonly name: string; readonly version: string };
  readonly runtime: string;
  readonly loadMs: number;
  readonly accuracy?: { readonly samples: number; readonly right: number };
  readonly scenarios: readonly ScenarioResult[];
  readonly error?: { readonly message: string };
}

export interface ScenarioResult {
  readonly scenario: string;
  /** Milliseconds per query. */
  readonly latency: { readonly p50: number; readonly p90: number; readonly p99: number };
  /** Samples a second. */
  readonly throughput: number;
  readonly withinBound?: boolean;
  readonly peakRssBytes?: number;
  readonly energy?: { readonly joulesPerSample: number };
}

/** How many times faster than the same measurement of another report; null when that has none. */
export function faster(result: ScenarioResult, of: ModelResult, other: Report | undefined): number | null {
  const same = other?.models.find(
    ({ model, runtime }) =>
      model.name === of.model.name && model.version === of.model.version && runtime === of.runtime,
  );
  const then = same?.scenarios.find(({ scenario }) => scenario === result.scenario);
  return then && then.throughput > 0 ? result.throughput / then.throughput : null;
}
