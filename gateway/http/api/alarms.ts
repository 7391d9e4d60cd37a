import { z } from 'zod';
import type { Views } from '../views.ts';
import { type ApiRoute, route } from './route.ts';
import { acknowledgeBody, alarmEntry, alarmsQuery } from './schemas/alarms.ts';

/** Lets a person say that an alarm is known. */
export interface AlarmAdmin {
  /** @throws GatewayError NOT_FOUND, when there is no such alarm or it is no longer kept */
  acknowledge(id: string, by: string, note: string | undefined): z.output<typeof alarmEntry>;
}

export function alarmRoutes(views: Views, alarms: AlarmAdmin | undefined): ApiRoute[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/alarms',
      tag: 'alarms',
      summary: 'Alarms, active ones first, then newest first, with what to do',
      needs: 'read',
      query: alarmsQuery,
      answer: z.array(alarmEntry),
      run: ({ query }) => views.alarms(query),
    }),
    ...(alarms
      ? [
          route({
            method: 'POST',
            path: '/api/v1/alarms/:id/acknowledge',
            tag: 'alarms',
            summary: 'Say that an alarm is known; it stays active until its reason is gone',
            needs: 'change',
            body: acknowledgeBody,
            answer: alarmEntry,
            errors: ['NOT_FOUND'],
            run: ({ params, body, caller }) => alarms.acknowledge(params.id!, caller!.name, body.note),
          }),
        ]
      : []),
  ];
}
