import { h, type JSX } from 'preact';
import { measure, number, percent } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import type { ModelComparison } from '../types.ts';
import { Histogram, quantile } from '../ui/histogram.ts';
import { Badge, Card, Meter, Problem, type Tone } from '../ui/parts.ts';
import { useQuery } from '../ui/use.ts';
import { Life } from './models.ts';

type Trial = ModelComparison['trials'][number];
type Live = NonNullable<ModelComparison['live']>;

const VERDICTS: Readonly<Record<Trial['verdict'], Tone>> = { waiting: 'info', within: 'good', beyond: 'bad' };

/** The version on trial beside the live one. */
export function Compare({ name }: { name: string }): JSX.Element {
  const { data, error } = useQuery<ModelComparison>(
    `/api/v1/models/${encodeURIComponent(name)}/compare`,
    3000,
  );
  return h(
    'div',
    { class: 'stack' },
    h(Problem, { error }),
    data?.trials.map((trial) => h(TrialCard, { key: trial.version, trial, live: data.live })),
  );
}

function TrialCard({ trial, live }: { trial: Trial; live: Live | null }): JSX.Element {
  const { limits } = trial;
  const seen = trial.trial;
  const answers = Math.max(1, seen?.requests ?? 0);
  const disagreed = seen && seen.compared > 0 ? 1 - seen.agreed / seen.compared : null;
  const slower = seen && seen.liveComputeUs > 0 ? seen.computeUs / seen.liveComputeUs : null;
  return h(
    Card,
    {
      class: 'compare',
      title: t('compare.title', { trial: trial.version, live: live?.version ?? '–' }),
      note: h(Badge, { tone: VERDICTS[trial.verdict] }, t(`compare.${trial.verdict}`)),
    },
    h(
      'div',
      { class: 'gauges' },
      h(Gauge, {
        label: t('compare.sample'),
        value: number(seen?.compared || seen?.requests || 0),
        limit: t('compare.needed', { count: number(limits.sample) }),
        share: (seen?.compared || seen?.requests || 0) / Math.max(1, limits.sample),
        more: 'good',
      }),
      h(Gauge, {
        label: t('compare.disagreement'),
        value: disagreed === null ? '–' : percent(disagreed, 1),
        limit: t('compare.at-most', { limit: percent(limits.maxDisagreement, 1) }),
        share: disagreed === null ? 0 : disagreed / Math.max(1e-9, limits.maxDisagreement),
      }),
      h(Gauge, {
        label: t('compare.errors'),
        value: percent((seen?.errors ?? 0) / answers, 1),
        limit: t('compare.at-most', { limit: percent(limits.maxErrorRate, 1) }),
        share: (seen?.errors ?? 0) / answers / Math.max(1e-9, limits.maxErrorRate),
      }),
      h(Gauge, {
        label: t('compare.time'),
        value: slower === null ? '–' : `${number(slower, 2)}×`,
        limit: t('compare.at-most', { limit: `${number(limits.maxLatencyRatio, 1)}×` }),
        share: slower === null ? 0 : slower / limits.maxLatencyRatio,
      }),
    ),
    h(
      'div',
      { class: 'beside' },
      live && h(Side, { figures: live, share: null }),
      h(Side, { figures: trial, share: null }),
    ),
    seen &&
      seen.compared > 0 &&
      h(
        'p',
        { class: 'soft small' },
        t('compare.difference', { mean: measure(seen.meanDifference), max: measure(seen.maxDifference) }),
      ),
    seen?.lastError && h('p', { class: 'small' }, t('compare.last-error', { error: seen.lastError })),
  );
}

interface GaugeProps {
  readonly label: string;
  readonly value: string;
  readonly limit: string;
  readonly share: number;
  /** Filling it is good: it counts towards something. */
  readonly more?: 'good';
}

const Gauge = ({ label, value, limit, share, more }: GaugeProps): JSX.Element =>
  h(
    'div',
    { class: 'gauge' },
    h('span', { class: 'soft small' }, label),
    h('b', null, value),
    h(Meter, { share, label, tone: more ? 'info' : share > 1 ? 'bad' : share > 0.7 ? 'warn' : 'good' }),
    h('span', { class: 'soft small' }, limit),
  );

const Side = ({ figures, share }: { figures: Live; share: null }): JSX.Element =>
  h(
    'div',
    null,
    h(
      'h3',
      null,
      t('models.version', { version: figures.version }),
      ' ',
      h(Life, { model: { life: figures.life, share } }),
    ),
    h(Histogram, { of: figures.runMs, label: t('compare.runs') }),
    h(
      'p',
      { class: 'soft small' },
      t('compare.runs-of', {
        runs: number(figures.runs),
        p99: measure(quantile(figures.runMs, 0.99) ?? 0),
        failed: number(figures.failed),
      }),
    ),
  );
