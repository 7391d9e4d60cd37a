import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Publisher } from '../ports/publisher.ts';
import type { Part } from './lifecycle.ts';
import { version } from './version.ts';

export const STATUS_TOPIC = 'aimx/status';

/** The payload: `startedAt` in ms since the epoch, absent in a will, which is written before the start. */
export const statusPayload = (state: 'online' | 'offline', gateway: string, startedAt?: number): string =>
  JSON.stringify({ state, gateway, version: version(), ...(startedAt === undefined ? {} : { startedAt }) });

/** Publishes `aimx/status`, retained: `online` once everything has started, `offline` at a clean stop. */
export function createStatusTopic(parts: {
  publisher: Publisher;
  gateway: string;
  clock: Clock;
  log: Log;
}): Part {
  const { publisher, gateway, clock, log } = parts;
  let startedAt = 0;
  const tell = async (state: 'online' | 'offline'): Promise<void> => {
    const payload = statusPayload(state, gateway, startedAt);
    try {
      await publisher.publish([{ topic: STATUS_TOPIC, payload, qos: 1, retain: true }]);
    } catch (error) {
      log.warn({ error: String(error) }, `status: could not publish ${state}; clients see the last state`);
    }
  };
  return {
    name: 'status topic',
    async start() {
      startedAt = clock.now();
      await tell('online');
    },
    async stop() {
      if (startedAt > 0) await tell('offline');
      startedAt = 0;
    },
  };
}
