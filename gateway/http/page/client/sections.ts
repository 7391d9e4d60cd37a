import type { BillingView, DeviceView, PlotView, ResultView, StatusView } from '../../views.ts';
import { type Child, element, show, table } from './dom.ts';
import { amount, bytes, clockTime, duration, measure, number, perSecond } from './format.ts';
import { plots } from './plot.ts';

export type Status = StatusView & {
  readonly rates: Readonly<Record<'streams' | 'pipelines', Readonly<Record<string, number[]>>>>;
};

/** What a result says in words; vectors are in the result itself. */
const LABELS = new Set(['string', 'boolean']);

export function showFigures(s: Status): void {
  const sum = (rates: Readonly<Record<string, number[]>>): number =>
    Object.values(rates).reduce((total, list) => total + (list.at(-1) ?? 0), 0);
  const waiting = s.upstream.reduce((total, sink) => total + sink.backlog, 0);
  const away = s.upstream.filter((sink) => !sink.connected).length;
  const tiles: [string, Child, (string | undefined)?][] = [
    ['readings', `${number(sum(s.rates.streams))}/s`],
    ['results', `${number(sum(s.rates.pipelines))}/s`],
    ['waiting for upstream', number(waiting), away > 0 ? 'warning' : undefined],
    ['MQTT clients', number(s.connections)],
    ['database', bytes(s.store.fileBytes)],
    ['model host', s.modelHost.pid === null ? 'down' : bytes(s.modelHost.rss)],
  ];
  if (s.billing) tiles.push([`${s.billing.symbol} billed`, amount(s.billing.amount, s.billing.decimals)]);
  show('figures', tiles, () =>
    tiles.map(([name, value, kind]) =>
      element('div', {}, element('dt', {}, name), element('dd', { class: kind }, value)),
    ),
  );
}

export function showAlarms(s: Status): void {
  show('alarms', s.alarms, () =>
    s.alarms.map((alarm) =>
      element(
        'div',
        { class: `alarm ${alarm.severity}` },
        element('strong', {}, alarm.message),
        element('p', {}, alarm.fix),
      ),
    ),
  );
}

/** What, how much, class. */
type Fact = [name: string, value: string, kind?: string | undefined];

const facts = (...list: Fact[]): HTMLElement =>
  element(
    'p',
    { class: 'facts' },
    ...list.map(([name, value, kind]) => element('span', { class: kind }, `${name} ${value}`)),
  );

const heading = (name: string, rate: string): HTMLElement =>
  element('h3', {}, element('span', {}, name), element('span', { class: 'rate' }, rate));

export function showStreams(s: Status, drawn: readonly PlotView[]): void {
  show('streams', [s.streams, s.rates.streams, drawn], () => {
    if (s.streams.length === 0) return [element('p', { class: 'faint' }, 'No streams are configured.')];
    return s.streams.map((stream) => {
      const plot = drawn.find((one) => one.kind === 'stream' && one.id === stream.id);
      return element(
        'article',
        {},
        heading(stream.id, perSecond(s.rates.streams[stream.id])),
        ...(plot ? [plots(plot)] : []),
        ...(stream.lastArrival === null
          ? [element('p', { class: 'faint' }, 'Nothing has come in yet.')]
          : []),
        facts(
          ['accepted', number(stream.accepted)],
          ['rejected', number(stream.rejected), stream.rejected > 0 ? 'warning' : undefined],
          ...(stream.refused > 0 ? [['refused', number(stream.refused), 'bad'] as Fact] : []),
          ['devices', number(stream.devices)],
          ['kept', bytes(stream.bytes)],
        ),
      );
    });
  });
}

export function showPipelines(s: Status, drawn: readonly PlotView[], newest: readonly ResultView[]): void {
  show('pipelines', [s.pipelines, s.rates.pipelines, drawn, newest], () => {
    if (s.pipelines.length === 0) return [element('p', { class: 'faint' }, 'No pipelines are configured.')];
    return s.pipelines.map((pipeline) => {
      const plot = drawn.find((one) => one.kind === 'pipeline' && one.id === pipeline.id);
      const labelled = newest.filter((result) => result.pipeline === pipeline.id);
      const failed = pipeline.failed + pipeline.shed;
      return element(
        'article',
        {},
        heading(pipeline.id, perSecond(s.rates.pipelines[pipeline.id])),
        element('p', { class: 'faint' }, `${pipeline.from.join(' + ')} → ${pipeline.model}`),
        ...(plot ? [plots(plot)] : []),
        verdicts(labelled),
        facts(
          ['results', number(pipeline.results)],
          ['pending', number(pipeline.pending)],
          ['failed', number(failed), failed > 0 ? 'bad' : undefined],
          ['latency', pipeline.latencyMs ? `${measure(pipeline.latencyMs.p50)} ms` : '–'],
          ['p99', pipeline.latencyMs ? `${measure(pipeline.latencyMs.p99)} ms` : '–'],
        ),
      );
    });
  });
}

/** The newest labels of each device: `press-1 normal`. */
function verdicts(results: readonly ResultView[]): HTMLElement {
  const rows = results
    .map((result) => ({
      device: result.device,
      labels: Object.values(result.outputs).filter((value) => LABELS.has(typeof value)),
    }))
    .filter(({ labels }) => labels.length > 0)
    .sort((a, b) => (a.device < b.device ? -1 : 1));
  return element(
    'ul',
    { class: 'verdicts' },
    ...rows.map(({ device, labels }) =>
      element('li', {}, device, element('b', {}, labels.map((label) => words(String(label))).join(', '))),
    ),
  );
}

const words = (label: string): string => label.replaceAll('_', ' ');

const state = (good: boolean, yes: string, no: string): HTMLElement =>
  element('span', { class: good ? 'good' : 'bad' }, good ? yes : no);

export function showUpstream(s: Status): void {
  show('upstream', [s.upstream, s.now], () => [
    table(
      s.upstream,
      [
        ['Sink', (r) => r.id],
        ['State', (r) => state(r.connected, 'connected', 'not connected')],
        ['Sent', (r) => number(r.sent), 'number'],
        ['Waiting', (r) => number(r.backlog), 'number'],
        ['Bytes', (r) => bytes(r.backlogBytes), 'number'],
        ['Given up', (r) => number(r.dropped), 'number'],
        ['Oldest', (r) => (r.oldest ? duration(s.now - r.oldest) : '–'), 'number'],
        ['Last error', (r) => r.lastError ?? '–', 'wide'],
      ],
      'No upstream is configured.',
    ),
  ]);
}

const short = (hash: string | null): HTMLElement =>
  hash === null
    ? element('span', {}, '–')
    : element('code', { title: hash, class: 'hash' }, element('span', {}, hash.slice(0, -6)), hash.slice(-6));

export function showBilling(b: BillingView | null): void {
  show('billing', b, () => {
    if (!b) return [element('p', { class: 'faint' }, 'Billing is not configured.')];
    const total = `${number(b.receipts)} receipts, ${amount(b.amount, b.decimals)} ${b.symbol}; ${number(b.pending)} of them in no final batch yet.`;
    const kept =
      b.kept === b.receipts
        ? ''
        : ` ${number(b.kept)} are kept${b.keptSince === null ? '' : `, since ${new Date(b.keptSince).toLocaleString()}`}.`;
    return [
      element('p', {}, total + kept),
      table(
        b.batches.slice(0, 8),
        [
          ['Batch', (r) => r.id, 'number'],
          ['State', (r) => element('span', { class: r.state === 'FINAL' ? 'good' : '' }, r.state)],
          ['Receipts', (r) => number(r.receipts), 'number'],
          [b.symbol, (r) => amount(r.amount, b.decimals), 'number'],
          ['Sealed', (r) => clockTime(r.time), 'number'],
          ['Transaction', (r) => short(r.txHash), 'wide'],
        ],
        'No batch yet.',
      ),
    ];
  });
}

export function showDevices(devices: readonly DeviceView[]): void {
  const total = (r: DeviceView): number => r.streams.reduce((sum, s) => sum + s.readings, 0);
  const seen = (r: DeviceView): number => Math.max(0, ...r.streams.map((s) => s.lastArrival));
  show('devices', devices, () => [
    table(
      devices,
      [
        ['Device', (r) => r.name],
        ['Role', (r) => r.role ?? '–'],
        ['Streams', (r) => r.streams.map((s) => s.stream).join(', ') || '–'],
        ['Readings', (r) => number(total(r)), 'number'],
        ['Last', (r) => clockTime(seen(r)), 'number'],
      ],
      'No devices yet.',
    ),
  ]);
}

export function headline(s: Status): string {
  const synced = s.timeSynced ? '' : ' · the clock is not set';
  return `up ${duration(s.now - s.startedAt)} · version ${s.version} · durability ${s.durability}${synced}`;
}
