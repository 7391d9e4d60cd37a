import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Publisher } from '../ports/publisher.ts';
import type { Part } from './lifecycle.ts';
import { version } from './version.ts';

export const STATUS_TOPIC = 'aimx/status';

/** The payload: `startedAt` in ms since the epoch, absent in a will, which is written before the start. */
export const statusPayload = (state: 'online' | 'offline', gateway: string, startedAt?: number): string =>
  JSON.stringify({ state, gateway, version: version(), ...(startedAt === undefined ? {} : { startedAt }) });

export interface StatusTopicParts {
  readonly publisher: Publisher;
  readonly gateway: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Publishes `aimx/status`, retained, as two parts of the gateway: `first` starts right behind the broker and says
 * `offline`, because after a crash the broker still remembers `online`; `last` starts after all others and says
 * `online`, and `offline` at a clean stop.
 */
export function createStatusTopic({ publisher, gateway, clock, log }: StatusTopicParts): {
  first: Part;
  last: Part;
} {
  let startedAt: number | undefined;
  const tell = async (state: 'online' | 'offline'): Promise<void> => {
    const payload = statusPayload(state, gateway, startedAt);
    try {
      await publisher.publish([{ topic: STATUS_TOPIC, payload, qos: 1, retain: true }]);
    } catch (error) {
      log.warn({ error: String(error) }, `status: could not publish ${state}; clients see the last state`);
    }
  };
  return {
    first: {
      name: 'status topic: offline',
      start: () => tell('offline'),
      stop: async () => {},
    },
    last: {
      name: 'status topic: online',
      async start() {
        startedAt = clock.now();
        await tell('online');
      },
      async stop() {
        if (startedAt !== undefined) await tell('offline');
        startedAt = undefined;
      },
    },
  };
}
