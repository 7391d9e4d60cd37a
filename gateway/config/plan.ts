import type { Reader } from '../store/types.ts';
import { aggregateId, readersOf } from './names.ts';
import type { Config, PipelineConfig, StreamConfig, UpstreamConfig, WindowConfig } from './schema.ts';
import { bytesText, durationText } from './units.ts';

/** What the gateway would do with a configuration, without starting anything. */
export interface Plan {
  readonly gateway: string;
  readonly dataDir: string;
  readonly durability: string;
  readonly doors: readonly string[];
  readonly streams: readonly {
    readonly id: string;
    readonly decode: string;
    readonly mqtt: readonly string[];
    readonly coap: readonly string[];
    readonly fields: readonly string[];
    readonly time: string;
    readonly keeps: string;
  }[];
  readonly pipelines: readonly {
    readonly id: string;
    readonly from: readonly string[];
    readonly key: string;
    readonly window: string;
    readonly model: string;
    readonly topic: string;
    readonly qos: number;
    readonly when: string | null;
  }[];
  readonly aggregates: readonly {
    readonly id: string;
    readonly from: string;
    readonly every: string;
    readonly stats: readonly string[];
  }[];
  readonly sinks: readonly {
    readonly id: string;
    readonly to: string;
    readonly sends: readonly string[];
    readonly buffer: string;
  }[];
  /** Who reads which journal stream, and so holds back its retention. */
  readonly cursors: readonly Reader[];
  readonly billing: string;
}

export function describePlan(config: Config): Plan {
  return {
    gateway: config.gateway.name,
    dataDir: config.gateway.dataDir,
    durability:
      config.durability === 'full'
        ? 'full: synced to disk before every acknowledgement'
        : 'normal: survives kill, not power loss',
    doors: doors(config),
    streams: config.streams.map(streamPlan),
    pipelines: config.pipelines.map(pipelinePlan),
    aggregates: config.aggregates.map((a) => ({
      id: aggregateId(a),
      from: a.from,
      every: durationText(a.every),
      stats: a.stats,
    })),
    sinks: config.upstream.map(sinkPlan),
    cursors: readersOf(config),
    billing: billingText(config),
  };
}

function doors(config: Config): string[] {
  const { listen, broker } = config;
  const { host } = listen;
  const list = broker
    ? [`external broker ${broker.url} (MQTT ${broker.protocol})`]
    : [`mqtt://${host}:${listen.mqtt.port}`];
  if (listen.mqtts && !broker) list.push(`mqtts://${host}:${listen.mqtts.port}`);
  list.push(`coap://${host}:${listen.coap.port}`);
  if (listen.coaps) list.push(`coaps://${host}:${listen.coaps.port}`);
  list.push(`http://${host}:${listen.http.port}`);
  if (!broker) list.push(`ws://${host}:${listen.http.port}/mqtt`);
  return list;
}

const list = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

function streamPlan(stream: StreamConfig): Plan['streams'][number] {
  return {
    id: stream.id,
    decode: stream.decode,
    mqtt: [...list(stream.from?.mqtt), `aimx/s/${stream.id}/{device}`],
    coap: [...list(stream.from?.coap), `/s/${stream.id}/{device}`],
    fields: stream.fields ? Object.keys(stream.fields) : ['every scalar of the payload'],
    time: stream.time ? `${stream.time.path} (${stream.time.format})` : 'arrival',
    keeps: `${bytesText(stream.journal.maxBytes)}, ${durationText(stream.journal.maxAge)}, then ${stream.journal.whenFull}`,
  };
}

function pipelinePlan(pipeline: PipelineConfig): Plan['pipelines'][number] {
  return {
    id: pipeline.id,
    from: list(pipeline.from),
    key: pipeline.key,
    window: windowText(pipeline.window),
    model: pipeline.model,
    topic: pipeline.publish.topic ?? `aimx/result/${pipeline.id}/{device}`,
    qos: pipeline.publish.qos,
    when: pipeline.publish.when ?? null,
  };
}

function sinkPlan(sink: UpstreamConfig): Plan['sinks'][number] {
  return {
    id: sink.id,
    to: sink.mqtt
      ? `${sink.mqtt.url} topic ${sink.mqtt.topic} QoS ${sink.mqtt.qos}`
      : (sink.http?.url ?? sink.file?.path ?? ''),
    sends: sink.send,
    buffer: `${bytesText(sink.buffer.maxBytes)}, then ${sink.buffer.whenFull}`,
  };
}

function windowText(window: WindowConfig): string {
  if ('session' in window)
    return `session, ends after ${durationText(window.session)} of silence (${window.by} time)`;
  if ('count' in window) {
    const step = window.every ?? window.count;
    return step === window.count ? `${window.count} readings` : `${window.count} readings, every ${step}`;
  }
  if ('samples' in window) {
    const step = window.every ?? window.samples;
    return step === window.samples ? `${step} samples` : `${window.samples} samples, every ${step}`;
  }
  const step = window.every ?? window.time;
  const every = step === window.time ? 'tumbling' : `every ${durationText(step)}`;
  return `${durationText(window.time)} ${every} (${window.by} time, lateness ${durationText(window.lateness)})`;
}

function billingText(config: Config): string {
  const { billing } = config;
  if (!billing) return 'receipts are kept locally; no chain is configured';
  const tariff = billing.tariff ?? 'the built-in tariff';
  if (!billing.chain) return `${tariff}; no chain is configured`;
  return `${tariff}; batches of ${billing.batch.maxReceipts} receipts or ${durationText(billing.batch.maxAge)} to chain ${billing.chain.chainId} at ${billing.chain.rpcUrl}`;
}

/** The plan as lines for a terminal. */
export function planText(plan: Plan): string {
  const lines = [
    `gateway ${plan.gateway}`,
    `  data        ${plan.dataDir}`,
    `  durability  ${plan.durability}`,
    '',
    'doors',
  ];
  for (const door of plan.doors) lines.push(`  ${door}`);
  lines.push('', 'streams');
  for (const s of plan.streams) {
    lines.push(`  ${s.id}  (${s.decode}, time: ${s.time}, keeps ${s.keeps})`);
    for (const filter of s.mqtt) lines.push(`    mqtt  ${filter}`);
    for (const path of s.coap) lines.push(`    coap  ${path}`);
    lines.push(`    fields  ${s.fields.join(', ')}`);
  }
  lines.push('', 'pipelines');
  for (const p of plan.pipelines) {
    lines.push(`  ${p.id}: ${p.from.join(' + ')} → ${p.window} per ${p.key} → ${p.model}`);
    lines.push(`    publishes  ${p.topic}  QoS ${p.qos}${p.when === null ? '' : `  when ${p.when}`}`);
  }
  lines.push('', 'aggregates');
  for (const a of plan.aggregates) lines.push(`  ${a.id}: ${a.from} every ${a.every}: ${a.stats.join(', ')}`);
  lines.push('', 'upstream');
  for (const s of plan.sinks) lines.push(`  ${s.id}: ${s.sends.join(', ')} → ${s.to}  (buffer ${s.buffer})`);
  lines.push('', 'cursors');
  for (const c of plan.cursors) lines.push(`  ${c.consumer} ← ${c.stream}`);
  lines.push('', `billing  ${plan.billing}`);
  return lines.join('\n');
}
