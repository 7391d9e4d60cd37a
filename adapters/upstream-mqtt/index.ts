import type { UpstreamConfig } from '../../gateway/config/schema.ts';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { Log } from '../../gateway/ports/log.ts';
import type { Sink } from '../../gateway/ports/sink.ts';
import { publishInOrder } from './delivery.ts';
import { Link } from './link.ts';
import { compileTopic } from './topic.ts';

export interface MqttSinkParts {
  readonly upstream: UpstreamConfig;
  /** Name of this gateway. */
  readonly gateway: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Uniform in [0, 1), for the jitter of reconnecting. */
  readonly random?: () => number;
}

/** Windows in a batch, so that the window is full while a batch lasts. */
const WINDOWS_PER_BATCH = 4;

/**
 * Publishes records to a broker; a record counts as delivered with its PUBACK (QoS 1) or PUBCOMP (QoS 2).
 * @throws GatewayError UPSTREAM_SINK when the topic is malformed
 */
export function createMqttSink({ upstream, gateway, clock, log, random = Math.random }: MqttSinkParts): Sink {
  const mqtt = upstream.mqtt!;
  const { qos, inFlight } = mqtt;
  const topic = compileTopic(mqtt.topic, gateway);
  const clientId = mqtt.clientId ?? `aimx-${gateway}-${upstream.id}`;
  const link = new Link({ mqtt, clientId, clock, log: log.child('upstream-mqtt'), random });
  return {
    id: upstream.id,
    batch: inFlight * WINDOWS_PER_BATCH,
    get connected() {
      return link.connected;
    },
    async deliver(records, signal) {
      const { client } = link;
      if (!client) return { kind: 'unavailable', reason: link.reason };
      return await publishInOrder(records, { link, client, topic, qos, inFlight, clock }, signal);
    },
    onReady: (listener) => link.onUp(listener),
    start: (signal) => link.start(signal),
    stop: () => link.stop(),
  };
}
