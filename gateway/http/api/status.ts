import { z } from 'zod';
import type { Views } from '../views.ts';
import { type ApiRoute, route } from './route.ts';
import { limit } from './schemas/common.ts';
import { overviewView } from './schemas/overview.ts';
import { resultView } from './schemas/pipelines.ts';
import { plotView } from './schemas/plots.ts';
import { auditView, healthView, rejectedView, statusWithRates } from './schemas/status.ts';

const id = z.string().max(128).optional();

/** What runs, in one look, and the accounts. */
export function statusRoutes(views: Views): ApiRoute[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/status',
      tag: 'status',
      summary: 'What runs, with rates of the last two minutes',
      needs: 'read',
      answer: statusWithRates,
      run: () => ({ ...views.status(), rates: views.rates() }),
    }),
    route({
      method: 'GET',
      path: '/api/v1/overview',
      tag: 'status',
      summary: 'What comes in, what is decided, what goes up, what is owed, and how each part is',
      needs: 'read',
      answer: overviewView,
      run: () => views.overview(),
    }),
    route({
      method: 'GET',
      path: '/api/v1/results',
      tag: 'pipelines',
      summary: 'The newest result of each device and pipeline, newest first',
      needs: 'read',
      query: z.strictObject({ limit, pipeline: id, device: id }),
      answer: z.array(resultView),
      run: ({ query }) => views.results(query),
    }),
    route({
      method: 'GET',
      path: '/api/v1/plots',
      tag: 'streams',
      summary: 'Newest values of streams and pipelines as short series to draw',
      needs: 'read',
      answer: z.array(plotView),
      run: () => views.plots(),
    }),
    route({
      method: 'GET',
      path: '/api/v1/rejected',
      tag: 'streams',
      summary: 'Payloads that could not be decoded, newest first, with the reason',
      needs: 'read',
      query: z.strictObject({ limit, stream: id }),
      answer: z.array(rejectedView),
      run: ({ query }) => views.rejected(query),
    }),
    route({
      method: 'GET',
      path: '/api/v1/audit',
      tag: 'status',
      summary: 'The accounting identity of every stream: accepted = forwarded + pending + expired + rejected',
      needs: 'read',
      answer: z.array(auditView),
      run: () => views.audit(),
    }),
    route({
      method: 'GET',
      path: '/health/live',
      tag: 'health',
      summary: 'Whether the process answers',
      needs: 'open',
      answer: healthView,
      run: () => views.health(),
    }),
  ];
}
