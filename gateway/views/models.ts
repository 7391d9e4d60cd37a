import { GatewayError } from '../errors.ts';
import type { ModelComparison, ModelFamily, ModelView } from '../http/index.ts';
import type { InstalledModel } from '../inference/service.ts';
import type { ViewParts } from './parts.ts';

type Stats = ReturnType<ViewParts['inference']['stats']>['models'];

export function modelViews({ inference }: ViewParts): ModelView[] {
  const { models } = inference.stats();
  return inference.list().map((model) => viewOf(model, models));
}

function viewOf(model: InstalledModel, stats: Stats): ModelView {
  const own = stats[`${model.name}@${model.version}`];
  const failed = sum(own?.failures ?? {});
  return {
    name: model.name,
    version: model.version,
    sha256: model.sha256,
    runtime: model.runtime,
    state: model.state,
    reason: model.reason?.message ?? null,
    life: model.life.state,
    since: model.life.since,
    share: model.life.share ?? null,
    note: model.life.note ?? null,
    trial: model.trial ?? null,
    requests: (own?.items ?? 0) + failed,
    failed,
  };
}

/** All versions of a name. @throws GatewayError MODEL_MISSING */
export function modelFamily(parts: ViewParts, name: string): ModelFamily {
  const { models } = parts.inference.stats();
  const versions = versionsOf(parts, name);
  return {
    name,
    versions: versions.map((model) => ({
      ...viewOf(model, models),
      priceClass: model.priceClass,
      inputs: tensors(model.inputs),
      outputs: tensors(model.outputs),
      card: { ...(model.card as Readonly<Record<string, unknown>> | undefined) },
      actions: actionsOf(model, versions),
    })),
    pipelines: parts.config.pipelines.filter(({ model }) => model.split('@')[0] === name).map(({ id }) => id),
  };
}

/** The live version beside those on trial. @throws GatewayError MODEL_MISSING */
export function modelComparison(parts: ViewParts, name: string): ModelComparison {
  const { models } = parts.inference.stats();
  const versions = versionsOf(parts, name);
  const figures = (model: InstalledModel) => figuresOf(model, models);
  const live = versions.find(({ life }) => life.state === 'live');
  const { shadow, canary } = parts.config.models;
  return {
    name,
    live: live ? figures(live) : null,
    trials: versions
      .filter(({ life }) => life.state === 'shadow' || life.state === 'canary')
      .map((model) => {
        const limits = model.life.state === 'shadow' ? shadow : canary;
        const { sample, maxErrorRate, maxDisagreement, maxLatencyRatio } = limits;
        const trial = model.trial ?? null;
        return {
          ...figures(model),
          trial,
          limits: { sample, maxErrorRate, maxDisagreement, maxLatencyRatio },
          verdict: verdictOf(trial, limits),
        };
      }),
  };
}

function versionsOf({ inference }: ViewParts, name: string): InstalledModel[] {
  const versions = inference.list().filter((model) => model.name === name);
  if (versions.length > 0) return versions;
  throw new GatewayError('MODEL_MISSING', `there is no model ${name}`, { received: name });
}

function figuresOf(model: InstalledModel, stats: Stats) {
  const own = stats[`${model.name}@${model.version}`];
  const none = { bounds: [], counts: [], sum: 0 };
  return {
    version: model.version,
    life: model.life.state,
    runs: own?.runs ?? 0,
    items: own?.items ?? 0,
    failed: sum(own?.failures ?? {}),
    meanUs: own && own.items > 0 ? own.computeUs / own.items : null,
    runMs: own ? copy(own.runMs) : none,
    waitMs: own ? merged(Object.values(own.waitMs)) : none,
    failures: { ...own?.failures },
  };
}

interface Limits {
  readonly sample: number;
  readonly maxErrorRate: number;
  readonly maxDisagreement: number;
}

/** For people: what ends a trial judges a moving window of it. */
function verdictOf(
  trial: ModelView['trial'],
  { sample, maxErrorRate, maxDisagreement }: Limits,
): 'waiting' | 'within' | 'beyond' {
  if (trial === null || trial.requests === 0) return 'waiting';
  const errors = trial.errors / trial.requests;
  const apart = trial.compared === 0 ? 0 : 1 - trial.agreed / trial.compared;
  if (trial.requests < sample && trial.compared < sample) return 'waiting';
  return errors > maxErrorRate || apart > maxDisagreement ? 'beyond' : 'within';
}

type Action = ModelFamily['versions'][number]['actions'][number];

function actionsOf({ life, state }: InstalledModel, family: readonly InstalledModel[]): Action[] {
  const has = (wanted: string): boolean => family.some((other) => other.life.state === wanted);
  if (life.state === 'live') return has('canary') || has('previous') ? ['rollback'] : [];
  const usable = state !== 'refused';
  const actions: Action[] = usable ? ['promote'] : [];
  if (usable && life.state !== 'shadow' && has('live')) actions.push('shadow');
  if (usable && has('live')) actions.push('canary');
  if (life.state !== 'staged') actions.push('stage');
  actions.push('remove');
  return actions;
}

interface Histogram {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

const copy = ({ bounds, counts, sum: total }: Histogram) => ({
  bounds: [...bounds],
  counts: [...counts],
  sum: total,
});

/** Histograms with the same bounds as one. */
function merged(parts: readonly Histogram[]) {
  const [first] = parts;
  if (first === undefined) return { bounds: [], counts: [], sum: 0 };
  return {
    bounds: [...first.bounds],
    counts: first.counts.map((_, i) => parts.reduce((total, one) => total + one.counts[i]!, 0)),
    sum: parts.reduce((total, one) => total + one.sum, 0),
  };
}

const tensors = (specs: InstalledModel['inputs']) =>
  specs.map(({ name, datatype, shape }) => ({ name, datatype, shape: [...shape] }));

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);
