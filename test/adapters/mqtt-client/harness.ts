import { createExternalBroker, type ExternalBrokerOptions } from '../../../adapters/mqtt-client/index.ts';
import { brokerSection, limitsSection, streamSection } from '../../../gateway/config/schema.ts';
import type { Intake } from '../../../gateway/ports/source.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { recordingAlarms } from '../../support/alarms.ts';
import { recordingLog } from '../../support/log.ts';

export const streams = [
  streamSection.parse({ id: 'temperature', from: { mqtt: 'plant/{device}/temperature' } }),
];

/** An adapter for the broker at `url`, not started. */
export function buildClient(
  url: string,
  intake: Intake,
  overrides: { broker?: object; limits?: object } & Partial<
    Omit<ExternalBrokerOptions, 'broker' | 'limits'>
  > = {},
) {
  const { broker, limits, ...rest } = overrides;
  const alarms = recordingAlarms();
  const log = recordingLog();
  const client = createExternalBroker({
    broker: brokerSection.parse({ url, ...broker }),
    streams,
    limits: limitsSection.parse({ ...limits }),
    name: 'test',
    intake,
    store: { outstandingBytes: 0, highWater: 8 * 1024 * 1024 },
    clock: systemClock(),
    log,
    alarms,
    random: () => 0,
    ...rest,
  });
  return { client, alarms, log };
}
