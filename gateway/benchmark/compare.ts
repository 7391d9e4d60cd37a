import { GatewayError } from '../errors.ts';
import type { ModelResult, Report, ScenarioResult } from './report.ts';

/** One figure of one scenario in two reports. */
export interface Difference {
  readonly model: string;
  readonly scenario: string;
  /** What MLPerf judges the scenario by. */
  readonly metric: string;
  readonly a: number;
  readonly b: number;
  /** How many times better `b` is; below 1 it is worse. */
  readonly better: number;
  /** Whether both ran the same model file. */
  readonly sameModel: boolean;
}

const METRICS: Readonly<
  Record<ScenarioResult['scenario'], { name: string; of(result: ScenarioResult): number; less: boolean }>
> = {
  SingleStream: { name: 'p90 ms', of: ({ latency }) => latency.p90, less: true },
  MultiStream: { name: 'p99 ms', of: ({ latency }) => latency.p99, less: true },
  Server: {
    name: 'samples/s in bounds',
    of: ({ throughput, withinBound }) => (withinBound ? throughput : 0),
    less: false,
  },
  Offline: { name: 'samples/s', of: ({ throughput }) => throughput, less: false },
};

/** What MLPerf judges each scenario by. */
export const metricOf = (result: ScenarioResult): { name: string; value: number } => {
  const metric = METRICS[result.scenario];
  return { name: metric.name, value: metric.of(result) };
};

/** Compares two reports, model by model (name, version and runtime). Throws BENCH_REPORT when they share none. */
export function compareReports(a: Report, b: Report): Difference[] {
  const key = ({ model, runtime }: ModelResult): string => `${model.name}@${model.version} ${runtime}`;
  const others = new Map(b.models.map((result) => [key(result), result]));
  const differences: Difference[] = [];
  for (const left of a.models) {
    const right = others.get(key(left));
    for (const one of left.scenarios) {
      const other = right?.scenarios.find(({ scenario }) => scenario === one.scenario);
      if (right && other) differences.push(difference(key(left), one, other, left, right));
    }
  }
  if (differences.length > 0) return differences;
  throw new GatewayError('BENCH_REPORT', 'the two reports have no model in common', {
    received: [...others.keys()].join(', '),
    expected: a.models.map(key).join(', '),
  });
}

function difference(
  model: string,
  one: ScenarioResult,
  other: ScenarioResult,
  left: ModelResult,
  right: ModelResult,
): Difference {
  const { name: metric, of, less } = METRICS[one.scenario];
  const [a, b] = [of(one), of(other)];
  const better = less ? a / b : b / a;
  const sameModel = left.model.sha256 === right.model.sha256;
  return {
    model,
    scenario: one.scenario,
    metric,
    a,
    b,
    better: Number.isFinite(better) ? better : 0,
    sameModel,
  };
}
