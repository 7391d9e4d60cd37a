import { GatewayError } from '../../gateway/errors.ts';
import type { Outbound } from '../../gateway/ports/publisher.ts';
import type { Ingress } from './ingress.ts';
import { isTopic } from './topic.ts';

/**
 * Publishes messages of the gateway's own, in order; resolves when each is as durable as its QoS says. Nothing of it is
 * journalled: what the gateway publishes comes from the journal.
 */
export async function publishOwn(
  messages: readonly Outbound[],
  broker: { ingress: Ingress; maxTopicLevels: number; stopped: boolean },
): Promise<void> {
  if (broker.stopped) throw new GatewayError('STOPPING', 'the MQTT broker is not running');
  for (const { topic } of messages) {
    if (!isTopic(topic, broker.maxTopicLevels))
      throw new GatewayError('INTERNAL', 'not a topic that can be published to', { received: topic });
  }
  if (messages.length === 0) return;
  await new Promise<void>((resolve, reject) => {
    let open = messages.length;
    const settle = (error: Error | null): void => {
      if (error) reject(error);
      else if (--open === 0) resolve();
    };
    for (const { topic, payload, qos, retain } of messages) {
      const bytes = typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload);
      broker.ingress.onOwn(null, { topic, qos, retain, packetId: 0 }, bytes, false, settle);
    }
  });
}
