import type { MqttClient } from 'mqtt';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { Delivery, UpstreamRecord } from '../../gateway/ports/sink.ts';
import type { Link } from './link.ts';

/** A broker that acknowledges nothing for this long is given up. */
const ACK_TIMEOUT_MS = 30_000;
/** MQTT 5 §2.4: topic name invalid, payload format invalid. Other codes speak of credentials, quotas or the moment. */
const REFUSED: ReadonlySet<number> = new Set([0x90, 0x99]);
/** QoS 0 waits for the socket to drain; the client adds a listener for each message that does. */
const MAX_UNSENT = 100;
/** Fixed header, topic length and packet identifier, at most, with some room for properties. */
const PACKET_OVERHEAD = 32;

export interface DeliveryParts {
  readonly link: Link;
  readonly client: MqttClient;
  readonly topic: (record: UpstreamRecord) => string;
  readonly qos: 0 | 1 | 2;
  readonly inFlight: number;
  readonly clock: Clock;
}

/**
 * Publishes records in order with a window of unacknowledged ones. Resolves when all are acknowledged, or as soon as it
 * is known that they will not be; only the acknowledged ones before the first gap count.
 */
export function publishInOrder(
  records: readonly UpstreamRecord[],
  parts: DeliveryParts,
  signal: AbortSignal,
): Promise<Delivery> {
  const { link, client, topic, qos, clock } = parts;
  const window = Math.min(parts.inFlight, qos === 0 ? MAX_UNSENT : link.limits.receiveMaximum);
  const acknowledged = new Uint8Array(records.length);
  const failures = new Map<number, Delivery>();
  let sent = 0;
  let outstanding = 0;
  let prefix = 0;
  let over = false;
  let filling = false;

  return new Promise((resolve) => {
    let cancelTimeout: (() => void) | undefined;
    const unwatch = link.watch((reason) => cut(reason));
    const abort = (): void => cut('stopping');
    signal.addEventListener('abort', abort, { once: true });

    function settle(delivery: Delivery): void {
      if (over) return;
      over = true;
      cancelTimeout?.();
      unwatch();
      signal.removeEventListener('abort', abort);
      resolve(delivery);
    }

    function cut(reason: string): void {
      settle(prefix > 0 ? { kind: 'partial', count: prefix, reason } : { kind: 'unavailable', reason });
    }

    function watchProgress(): void {
      cancelTimeout?.();
      cancelTimeout = clock.after(ACK_TIMEOUT_MS, () => {
        link.lose(`no acknowledgement in ${ACK_TIMEOUT_MS / 1000} s`);
      });
    }

    function acknowledge(index: number, error: (Error & { code?: number | string }) | undefined): void {
      if (over) return;
      outstanding--;
      if (error) {
        const reason = `the broker answered: ${error.message}`;
        const refused = typeof error.code === 'number' && REFUSED.has(error.code);
        failures.set(index, refused ? { kind: 'refused', index, reason } : { kind: 'unavailable', reason });
      } else {
        acknowledged[index] = 1;
      }
      advance();
    }

    function advance(): void {
      const before = prefix;
      while (prefix < records.length && acknowledged[prefix]) prefix++;
      if (prefix === records.length) {
        settle({ kind: 'delivered' });
        return;
      }
      const failure = failures.get(prefix);
      if (failure?.kind === 'refused') settle(failure);
      else if (failure?.kind === 'unavailable') cut(failure.reason);
      if (over) return;
      if (prefix > before) watchProgress();
      fill();
    }

    function fill(): void {
      // QoS 0 is "acknowledged" while it is being sent: the loop below goes on by itself.
      if (filling) return;
      filling = true;
      sendUpToWindow();
      filling = false;
    }

    function sendUpToWindow(): void {
      // Nothing is sent past a record that failed: it would only come twice.
      while (!over && sent < records.length && outstanding < window && failures.size === 0) {
        const index = sent++;
        const record = records[index]!;
        const name = topic(record);
        const size = Buffer.byteLength(record.body) + Buffer.byteLength(name) + PACKET_OVERHEAD;
        if (size > link.limits.maximumPacketSize) {
          const reason = `${size} bytes, and the broker takes at most ${link.limits.maximumPacketSize}`;
          failures.set(index, { kind: 'refused', index, reason });
          advance();
          return;
        }
        outstanding++;
        client.publish(name, record.body, { qos }, (error) => acknowledge(index, error ?? undefined));
      }
    }

    if (signal.aborted) abort();
    watchProgress();
    if (over) cancelTimeout?.();
    else fill();
  });
}
