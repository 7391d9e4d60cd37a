import { dirname } from 'node:path';
import { asGatewayError } from '../errors.ts';
import { type Bundle, readBundle } from '../inference/bundle.ts';
import { type GoldenSample, readGolden } from '../inference/golden.ts';
import { createInference, type InferenceService } from '../inference/index.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { ModelInfo } from '../ports/inference.ts';
import type { Log } from '../ports/log.ts';
import { accuracyOf, PATIENCE_MS } from './accuracy.ts';
import { startEnergyMeter } from './energy.ts';
import { rounded } from './latencies.ts';
import { startMeter } from './process-meter.ts';
import { seededRandom } from './random.ts';
import type { ModelResult, ScenarioResult } from './report.ts';
import { inputsFor } from './samples.ts';
import {
  type Issue,
  inTurn,
  type Load,
  type Measured,
  MULTI_STREAM_SAMPLES,
  offline,
  type Scenario,
  server,
} from './scenarios.ts';

export interface BenchSettings {
  readonly scenarios: readonly Scenario[];
  /** Length of one scenario. */
  readonly seconds: number;
  readonly seed: number;
  /** Server: the bound of its 99th percentile in ms. */
  readonly latencyBoundMs: number;
  /** Server: samples per second; undefined: the highest that keeps the bound is looked for. */
  readonly rate?: number | undefined;
}

export interface BenchParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly signal: AbortSignal;
  /** What is being done, and the share of this model that is. */
  progress(what: string, share: number): void;
}

/** Measures one bundle in a model host of its own, the way the gateway serves it: queues, batching and pipe included. */
export async function benchModel(
  folder: string,
  settings: BenchSettings,
  parts: BenchParts,
): Promise<ModelResult> {
  const bundle = readBundle(folder);
  const inference = createInference({ ...parts, modelDirs: [dirname(folder)] });
  try {
    await inference.start(parts.signal);
    return await measure(bundle, inference, settings, parts);
  } finally {
    await inference.stop();
  }
}

/** Shares of the Offline throughput that a search for the Server rate tries, from the top. */
const LADDER = [0.9, 0.75, 0.6, 0.45, 0.3, 0.2, 0.1, 0.05, 0.02];

async function measure(
  bundle: Bundle,
  inference: InferenceService,
  settings: BenchSettings,
  parts: BenchParts,
): Promise<ModelResult> {
  const { name, version, sha256, runtime } = bundle.manifest;
  const reference = `${name}@${version}`;
  const info = inference.model(reference);
  const golden: GoldenSample[] = readGolden(bundle);
  const { kind, inputs } = inputsFor(info, golden, settings.seed);
  const issue = issuer(inference, reference, info, inputs);
  const base = { model: { name, version, sha256 }, runtime, inputs: kind } as const;

  const begin = performance.now();
  const first = await inference.infer(reference, callOf(info, inputs[0]!, 'bench-first'));
  const loadMs = rounded(performance.now() - begin);
  if (!first.ok)
    return {
      ...base,
      loadMs,
      scenarios: [],
      error: { code: first.code, message: first.message.slice(0, 900) },
    };
  const accuracy = await accuracyOf(inference, reference, info, golden);

  const scenarios: ScenarioResult[] = [];
  const host = (): number => inference.stats().host.pid ?? 0;
  let typicalMs = 1;
  let most = 1;
  for (const [index, scenario] of settings.scenarios.entries()) {
    if (parts.signal.aborted) break;
    const progress = (share: number): void =>
      parts.progress(`${reference} ${scenario}`, (index + share) / settings.scenarios.length);
    const load: Load = {
      issue,
      seconds: settings.seconds,
      signal: parts.signal,
      now: () => performance.now(),
      progress,
    };
    const metered = (run: () => Promise<Measured>): Promise<ScenarioResult> =>
      withMeters(scenario, host(), run);
    switch (scenario) {
      case 'SingleStream': {
        const result = await metered(() => inTurn(load, 1));
        typicalMs = result.latency.p50;
        most = Math.max(most, result.throughput);
        scenarios.push(result);
        break;
      }
      case 'MultiStream':
        scenarios.push(await metered(() => inTurn(load, MULTI_STREAM_SAMPLES)));
        break;
      case 'Offline': {
        const result = await metered(() => offline(load, outstanding(settings.seconds, typicalMs, info)));
        most = Math.max(most, result.throughput);
        scenarios.push(result);
        break;
      }
      case 'Server':
        scenarios.push(await serverAt(load, settings, most, metered));
        break;
    }
  }
  return { ...base, loadMs, scenarios, ...(accuracy ? { accuracy } : {}) };
}

/** A run at the given rate, or at the highest of the ladder below `most` that stays within the bound. */
async function serverAt(
  load: Load,
  { rate, latencyBoundMs, seed, seconds }: BenchSettings,
  most: number,
  metered: (run: () => Promise<Measured>) => Promise<ScenarioResult>,
): Promise<ScenarioResult> {
  const rates = rate === undefined ? LADDER.map((share) => share * most) : [rate];
  let last: ScenarioResult | undefined;
  for (const tried of rates) {
    const random = seededRandom(seed);
    const within = (measured: Measured): boolean =>
      measured.latency.p99 <= latencyBoundMs && measured.failed === 0;
    const trial = { ...load, seconds: Math.max(0.5, seconds / 5) };
    if (rate === undefined && !within(await server(trial, tried, random)) && tried !== rates.at(-1)) continue;
    const result = await metered(() => server(load, tried, random));
    last = {
      ...result,
      rate: rounded(tried),
      withinBound: result.latency.p99 <= latencyBoundMs && result.failed === 0,
    };
    if (last.withinBound || load.signal.aborted) break;
  }
  return last!;
}

/** Samples under way in Offline: enough for full batches, few enough that slow models end in time. */
function outstanding(seconds: number, typicalMs: number, info: ModelInfo): number {
  const inTime = Math.ceil((seconds * 1000) / (4 * Math.max(0.01, typicalMs)));
  return Math.max(2, Math.min(1024, 4 * info.maxBatch, inTime));
}

async function withMeters(
  scenario: Scenario,
  pid: number,
  run: () => Promise<Measured>,
): Promise<ScenarioResult> {
  const use = startMeter(pid);
  const meter = startEnergyMeter();
  const measured = await run();
  const energy = meter?.stop();
  const used = use();
  const good = measured.samples - measured.failed;
  return {
    scenario,
    ...measured,
    latency: { ...measured.latency, curve: [...measured.latency.curve] },
    seconds: rounded(measured.seconds),
    throughput: rounded(good / measured.seconds),
    ...used,
    ...(energy && good > 0
      ? { energy: { ...energy, joulesPerSample: Number((energy.joules / good).toPrecision(4)) } }
      : {}),
  };
}

function issuer(
  inference: InferenceService,
  reference: string,
  info: ModelInfo,
  inputs: readonly ReturnType<typeof inputsFor>['inputs'][number][],
): Issue {
  return async (sample) => {
    try {
      const call = callOf(info, inputs[sample % inputs.length]!, `bench-${sample}`);
      return (await inference.infer(reference, call)).ok;
    } catch (error) {
      // Only a service that stops rejects: the run was cancelled.
      if (asGatewayError(error).code === 'STOPPING') return false;
      throw error;
    }
  };
}

const callOf = (info: ModelInfo, inputs: ReturnType<typeof inputsFor>['inputs'][number], id: string) => ({
  inputs,
  priority: 'interactive' as const,
  account: 'bench',
  deadline: PATIENCE_MS,
  ...(info.recurrent ? { sequence: { id, start: true, end: true } } : {}),
});
