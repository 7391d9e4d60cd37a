import type { Config } from '../config/schema.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Publisher } from '../ports/publisher.ts';
import type { Store } from '../store/types.ts';
import type { AlarmBoard } from './alarms.ts';
import { openAlarms } from './document-streams.ts';
import type { Part } from './lifecycle.ts';

export interface AlarmStreamParts {
  readonly config: Config;
  readonly board: AlarmBoard;
  readonly store: Store;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Writes each change of an alarm to the journal stream `$alarm`, whence upstream sinks take it, and publishes it
 * locally as `aimx/alarm/<kind>` (retained while it holds). Delivery: durable upstream, best effort locally, because
 * the active alarms are in the API as well.
 */
export function createAlarmStream(parts: AlarmStreamParts): Part {
  const { config, board, store, publisher, clock, log } = parts;
  const gateway = config.gateway.name;
  const stream = openAlarms(store, config);
  let ordinal = 0;
  let unsubscribe: (() => void) | undefined;

  const record: Parameters<AlarmBoard['subscribe']>[0] = (kind, alarm) => {
    const time = clock.now();
    const document = {
      id: `${gateway}/alarm/${kind}/${time}-${++ordinal}`,
      kind,
      device: kind,
      time,
      state: alarm ? 'raised' : 'cleared',
      ...(alarm ? { severity: alarm.severity, message: alarm.message, fix: alarm.fix } : {}),
      ...(alarm?.detail ? { detail: alarm.detail } : {}),
    };
    const json = JSON.stringify(document);
    stream.append([{ device: kind, time, flags: 0, value: json }], (error) => {
      if (error)
        log.warn(
          { kind, error: error.message },
          'alarm: could not be written to the journal; it stays active',
        );
    });
    publisher
      .publish([{ topic: `aimx/alarm/${kind}`, payload: json, qos: 1, retain: true }])
      .catch((error: Error) => {
        log.warn({ kind, error: error.message }, 'alarm: could not be published locally; it stays active');
      });
  };

  return {
    name: 'alarms',
    async start() {
      for (const alarm of board.active()) record(alarm.kind, alarm);
      unsubscribe = board.subscribe(record);
    },
    async stop() {
      unsubscribe?.();
      unsubscribe = undefined;
    },
  };
}
