import { GatewayError } from '../../gateway/errors.ts';
import type { Outbound, Prepared } from '../../gateway/ports/publisher.ts';
import type { Ingress } from './ingress.ts';
import { isTopic } from './topic.ts';

interface OwnBroker {
  readonly ingress: Ingress;
  readonly maxTopicLevels: number;
  readonly stopped: boolean;
}

function check(messages: readonly Outbound[], { stopped, maxTopicLevels }: OwnBroker): void {
  if (stopped) throw new GatewayError('STOPPING', 'the MQTT broker is not running');
  for (const { topic } of messages) {
    if (!isTopic(topic, maxTopicLevels))
      throw new GatewayError('INTERNAL', 'not a topic that can be published to', { received: topic });
  }
}

const bytesOf = (payload: string | Uint8Array): Buffer =>
  typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload);

/** Messages of the gateway's own for its caller to store, see the port. */
export function prepareOwn(messages: readonly Outbound[], broker: OwnBroker): Prepared {
  check(messages, broker);
  return broker.ingress.prepareOwn(
    messages.map(({ topic, payload, qos, retain }) => ({
      parts: { topic, qos, retain, packetId: 0 },
      payload: bytesOf(payload),
    })),
  );
}

/**
 * Publishes messages of the gateway's own, in order; resolves when each is as durable as its QoS says. Nothing of it is
 * journalled: what the gateway publishes comes from the journal.
 */
export async function publishOwn(messages: readonly Outbound[], broker: OwnBroker): Promise<void> {
  check(messages, broker);
  if (messages.length === 0) return;
  const { ingress } = broker;
  const kept = messages.filter(
    ({ topic, payload, qos, retain }) => !ingress.passOn(topic, payload, qos, retain),
  );
  if (kept.length === 0) return;
  await new Promise<void>((resolve, reject) => {
    let open = kept.length;
    const settle = (error: Error | null): void => {
      if (error) reject(error);
      else if (--open === 0) resolve();
    };
    for (const { topic, payload, qos, retain } of kept) {
      ingress.onOwn(null, { topic, qos, retain, packetId: 0 }, bytesOf(payload), false, settle);
    }
  });
}
