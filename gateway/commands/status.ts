import type { StatusView } from '../http/views.ts';
import { requireApi } from './api.ts';
import type { Command } from './command.ts';
import { ago, count, instant, size } from './ui/format.ts';
import type { Style } from './ui/style.ts';
import { table } from './ui/table.ts';

type Status = StatusView & { rates: Record<'streams' | 'pipelines', Record<string, number[]>> };

/** `status`: what is running. */
export const status: Command = {
  name: 'status',
  summary: 'what is running, with rates, backlogs and alarms',
  usage: ['status [--config FILE] [--json]'],
  async run(context) {
    const { config } = context.config({ quiet: true, checkFiles: false });
    const data = (await requireApi(config.gateway.dataDir).get('/api/v1/status')) as Status;
    context.print(data, () => statusText(data, context.ui.style));
    return 0;
  },
};

const rate = (values: readonly number[] | undefined): string => `${values?.at(-1)?.toFixed(1) ?? '-'}/s`;

function statusText(s: Status, style: Style): string {
  const head = `${style.bold(s.gateway)} ${s.state} for ${ago(s.now - s.startedAt)}, version ${s.version}, ${s.connections} MQTT connections`;
  const clock = s.timeSynced
    ? []
    : [style.yellow('the clock is not set: records are flagged, no receipt is signed')];
  return [
    head,
    ...s.doors.map((door) => `  ${door}`),
    ...clock,
    ...s.alarms.map((a) => `${style.yellow(`alarm ${a.kind}`)}: ${a.message} ${style.dim(a.fix)}`),
    ...part('Streams', streams(s)),
    ...part('Pipelines', pipelines(s)),
    ...part('Upstream', upstream(s, style)),
    ...part('Receipts', billing(s)),
  ].join('\n');
}

const part = (title: string, text: string): string[] => (text === '' ? [] : ['', title, text]);

function streams(s: Status): string {
  if (s.streams.length === 0) return '';
  return table(s.streams, [
    { title: 'STREAM', value: (r) => r.id },
    { title: 'RATE', value: (r) => rate(s.rates.streams[r.id]), align: 'right' },
    { title: 'ACCEPTED', value: (r) => count(r.accepted), align: 'right' },
    { title: 'REJECTED', value: (r) => count(r.rejected), align: 'right' },
    { title: 'REFUSED', value: (r) => count(r.refused), align: 'right' },
    { title: 'DEVICES', value: (r) => count(r.devices), align: 'right' },
    { title: 'KEPT', value: (r) => size(r.bytes), align: 'right' },
    {
      title: 'LAST',
      value: (r) => (r.lastArrival ? `${ago(s.now - r.lastArrival)} ago` : null),
      align: 'right',
    },
  ]);
}

function pipelines(s: Status): string {
  if (s.pipelines.length === 0) return '';
  return table(s.pipelines, [
    { title: 'PIPELINE', value: (r) => r.id },
    { title: 'MODEL', value: (r) => r.model },
    { title: 'RATE', value: (r) => rate(s.rates.pipelines[r.id]), align: 'right' },
    { title: 'RESULTS', value: (r) => count(r.results), align: 'right' },
    { title: 'PENDING', value: (r) => count(r.pending), align: 'right' },
    { title: 'FAILED', value: (r) => count(r.failed + r.shed), align: 'right' },
    { title: 'P50 MS', value: (r) => r.latencyMs?.p50.toFixed(1), align: 'right' },
    { title: 'P99 MS', value: (r) => r.latencyMs?.p99.toFixed(1), align: 'right' },
  ]);
}

function upstream(s: Status, style: Style): string {
  if (s.upstream.length === 0) return '';
  return table(s.upstream, [
    { title: 'SINK', value: (r) => r.id },
    { title: 'STATE', value: (r) => (r.connected ? style.green('connected') : style.red('not connected')) },
    { title: 'SENT', value: (r) => count(r.sent), align: 'right' },
    { title: 'WAITING', value: (r) => count(r.backlog), align: 'right' },
    { title: 'BYTES', value: (r) => size(r.backlogBytes), align: 'right' },
    { title: 'GIVEN UP', value: (r) => count(r.dropped), align: 'right' },
    { title: 'LAST ERROR', value: (r) => r.lastError },
  ]);
}

function billing(s: Status): string {
  const b = s.billing;
  if (!b) return '';
  const newest = b.batches[0];
  const batch = newest
    ? `; newest batch ${newest.id} ${newest.state}${newest.txHash ? ` in ${newest.txHash}` : ''}`
    : '';
  const since = newest?.time ? ` (${instant(newest.time)})` : '';
  return `${count(b.receipts)} receipts, ${count(b.pending)} not yet final${batch}${since}`;
}
