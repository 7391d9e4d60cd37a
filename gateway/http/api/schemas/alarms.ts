import { z } from 'zod';
import { limit, time } from './common.ts';

/** An alarm that is active, as the status shows it. */
export const alarmView = z.object({
  kind: z.string(),
  severity: z.enum(['info', 'warning', 'critical']),
  message: z.string(),
  fix: z.string(),
});

/** An alarm from its raising to its end. */
export const alarmEntry = alarmView.extend({
  id: z.string().describe('Of this occurrence: the kind and when it was raised'),
  state: z.enum(['active', 'over']),
  since: time,
  updated: time,
  until: time.nullable(),
  acknowledged: z.object({ by: z.string(), time, note: z.string().nullable() }).nullable(),
});

export const alarmsQuery = z.strictObject({
  limit,
  state: z.enum(['active', 'over', 'all']).default('all'),
});
export const acknowledgeBody = z.strictObject({ note: z.string().max(500).optional() });

export type AlarmEntry = z.output<typeof alarmEntry>;
export type AlarmsQuery = z.output<typeof alarmsQuery>;
