import { h, type JSX } from 'preact';
import { bytes, compact, dateTime, milliseconds, number, percent } from '../lib/format.ts';
import { t, term } from '../lib/i18n.ts';
import { type Route, setQuery } from '../lib/router.ts';
import type { BenchEntry } from '../types.ts';
import { Badge, Card, Code, Empty, Facts, Loading, Meter, Notice, Page, Problem } from '../ui/parts.ts';
import { Table } from '../ui/table.ts';
import { useQuery } from '../ui/use.ts';
import { faster, type ModelResult, type Report, type ScenarioResult } from './bench-report.ts';

const pathOf = (id: string): string => `/api/v1/bench/${encodeURIComponent(id)}`;

/** What this hardware makes of its models, and how it compares. */
export function BenchPage({ route }: { readonly route: Route }): JSX.Element {
  const { data, error } = useQuery<BenchEntry[]>('/api/v1/bench', 15_000);
  const wanted = route.query.get('report');
  const entry = data?.find(({ id }) => id === wanted) ?? data?.[0];
  const other = data?.find(({ id }) => id === route.query.get('with') && id !== entry?.id);
  const report = useQuery<Report>(entry ? pathOf(entry.id) : null);
  const compared = useQuery<Report>(other ? pathOf(other.id) : null);
  return h(
    Page,
    {
      title: t('nav.bench'),
      lead: t('bench.lead'),
      actions: data &&
        data.length > 0 && [
          h(Choice, {
            key: 'report',
            label: t('bench.report'),
            value: entry?.id ?? '',
            of: data,
            name: 'report',
          }),
          data.length > 1 &&
            h(Choice, {
              key: 'with',
              label: t('bench.with'),
              value: other?.id ?? '',
              of: data,
              name: 'with',
              none: t('bench.with-none'),
            }),
        ],
    },
    h(Problem, { error: error ?? report.error }),
    !data && !error && h(Loading, {}),
    data?.length === 0 &&
      h(Empty, { icon: 'bench' }, t('bench.none'), ' ', h(Code, {}, 'aimx-gateway bench')),
    entry && report.data && h(Body, { entry, report: report.data, other: compared.data }),
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly of: readonly BenchEntry[];
  readonly name: string;
  readonly none?: string;
}

const Choice = ({ label, value, of, name, none }: ChoiceProps): JSX.Element =>
  h(
    'select',
    {
      'aria-label': label,
      value,
      onChange: (event: Event) => setQuery({ [name]: (event.target as HTMLSelectElement).value }),
    },
    none !== undefined && h('option', { value: '' }, none),
    of.map(({ id, time, board }) => h('option', { key: id, value: id }, `${board}, ${dateTime(time)}`)),
  );

interface BodyProps {
  readonly entry: BenchEntry;
  readonly report: Report;
  readonly other: Report | undefined;
}

const SIGNATURES = { valid: 'good', invalid: 'bad', unsigned: 'plain' } as const;

const Body = ({ entry, report, other }: BodyProps): JSX.Element =>
  h(
    'div',
    { class: 'stack' },
    h(
      Card,
      {
        title: report.machine.board || report.machine.cpu,
        note: h(Badge, { tone: SIGNATURES[entry.signature] }, t(`bench.${entry.signature}`)),
      },
      h(Facts, {
        of: [
          [t('bench.cpu'), `${report.machine.cpu} · ${t('bench.cores', { count: report.machine.cores })}`],
          [t('bench.memory'), bytes(report.machine.memoryBytes)],
          [t('bench.system'), `${report.machine.system} · Node.js ${report.machine.node}`],
          [t('bench.measured'), dateTime(entry.time)],
        ],
      }),
    ),
    report.models.map((result) =>
      h(Model, { key: `${result.model.name}@${result.model.version} ${result.runtime}`, result, other }),
    ),
  );

function Model({ result, other }: { result: ModelResult; other: Report | undefined }): JSX.Element {
  const best = Math.max(...result.scenarios.map(({ throughput }) => throughput), 1e-9);
  const ratio = (one: ScenarioResult): number | null => faster(one, result, other);
  return h(
    Card,
    {
      title: `${result.model.name} ${result.model.version}`,
      note: [
        result.runtime,
        t('bench.load', { time: milliseconds(result.loadMs) }),
        result.accuracy &&
          t('bench.accuracy', {
            share: percent(result.accuracy.right / Math.max(1, result.accuracy.samples), 1),
          }),
      ]
        .filter(Boolean)
        .join(' · '),
      flush: true,
    },
    result.error && h(Notice, { tone: 'bad' }, h('p', null, result.error.message)),
    h(Table<ScenarioResult>, {
      label: `${result.model.name} ${result.model.version}`,
      rows: result.scenarios,
      keyOf: ({ scenario }) => scenario,
      columns: [
        { title: t('bench.scenario'), show: ({ scenario }) => term('scenario', scenario) },
        { title: 'p50', show: ({ latency }) => milliseconds(latency.p50), kind: 'number' },
        { title: 'p90', show: ({ latency }) => milliseconds(latency.p90), kind: 'number' },
        { title: 'p99', show: ({ latency }) => milliseconds(latency.p99), kind: 'number' },
        {
          title: t('bench.throughput'),
          show: ({ throughput }) => `${compact(throughput)}/s`,
          kind: 'number',
        },
        {
          title: t('bench.share'),
          show: ({ throughput, scenario }) => h(Meter, { share: throughput / best, label: scenario }),
          kind: 'minor',
        },
        ...(other
          ? [
              {
                title: t('bench.ratio'),
                show: (one: ScenarioResult) => ratioText(ratio(one)),
                kind: 'number' as const,
              },
            ]
          : []),
      ],
    }),
  );
}

const ratioText = (ratio: number | null): JSX.Element | string =>
  ratio === null
    ? '–'
    : h(Badge, { tone: ratio >= 1.05 ? 'good' : ratio <= 0.95 ? 'warn' : 'plain' }, `${number(ratio, 2)}×`);
