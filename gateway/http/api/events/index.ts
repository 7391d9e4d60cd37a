import { z } from 'zod';
import { type ApiRoute, route } from '../route.ts';
import { eventSchemas, eventsQuery } from '../schemas/events.ts';
import type { EventHub } from './hub.ts';

export function eventRoutes(hub: EventHub): ApiRoute[] {
  const names = Object.entries(eventSchemas).map(([name, data]) =>
    z.object({ event: z.literal(name), data }),
  );
  return [
    route({
      method: 'GET',
      path: '/api/v1/events',
      tag: 'events',
      summary:
        'What happens, as server-sent events; a client that does not keep up misses some and is told so',
      needs: 'read',
      query: eventsQuery,
      answer: z.union(names as [(typeof names)[number], ...typeof names]),
      answerType: 'text/event-stream',
      errors: ['NOT_FOUND', 'HTTP_BUSY'],
      run: ({ query, peer }) => hub.open(query.topics, peer),
    }),
  ];
}
