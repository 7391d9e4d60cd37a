import type { FeedRecord } from '../gateway/feed.ts';
import { deviceIn, filterOf } from '../gateway/topics.ts';
import type { FlowNode, NodeConfig, Red } from '../red.ts';
import { type Attached, attach } from './common/attach.ts';
import { follow, type StartChoice } from './common/follow.ts';
import { type Format, fromPayload } from './common/payload.ts';

interface StreamInConfig extends NodeConfig {
  readonly stream: string;
  readonly device: string;
  /** `readings`: decoded, from every door, off the journal; `messages`: MQTT messages as devices publish them. */
  readonly source: 'readings' | 'messages';
  readonly start: StartChoice;
  /** Of `messages`: template of the topic; default `aimx/s/<stream>/{device}`. */
  readonly topic: string;
  /** Of `messages`: what the payload is; default `auto`. */
  readonly format?: Format;
  /** Of `readings`: the one field that is the payload; empty: all. */
  readonly field: string;
}

/** Readings of a stream into a flow. */
export default function register(red: Red): void {
  red.nodes.registerType('aimx-stream-in', function (this: FlowNode, config: StreamInConfig) {
    red.nodes.createNode(this, config);
    const attached = attach(red, this, config, config.source === 'messages');
    if (!attached) return;
    if (config.source === 'messages') fromMessages(this, attached, config);
    else fromJournal(this, attached, config);
  });
}

function fromJournal(node: FlowNode, attached: Attached, config: StreamInConfig): void {
  const { stream, device, start, field } = config;
  follow(node, attached, {
    kind: 'readings',
    id: stream,
    device: device ?? '',
    start,
    record: (record: FeedRecord) => {
      const values = record.values as Readonly<Record<string, unknown>>;
      const payload = field ? values[field] : values;
      // A reading may lack an optional field.
      if (payload === undefined) return;
      const { seq, time } = record;
      node.send({ topic: `${stream}/${record.device}`, payload, stream, device: record.device, time, seq });
    },
  });
}

function fromMessages(node: FlowNode, { client, line, onClose }: Attached, config: StreamInConfig): void {
  const { stream } = config;
  const template = config.topic || `aimx/s/${stream}/{device}`;
  onClose(
    client.link.subscribe(
      filterOf(template, config.device ?? ''),
      { qos: 1 },
      {
        message: ({ topic, payload, qos, retain }) => {
          const device = deviceIn(template, topic) ?? '';
          node.send({
            topic,
            payload: fromPayload(payload, config.format),
            stream,
            device,
            time: Date.now(),
            qos,
            retain,
          });
        },
        refused: () => line.bad('forbidden'),
      },
    ),
  );
}
