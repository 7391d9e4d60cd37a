import { z } from 'zod';
import type { Views } from '../views.ts';
import { type ApiRoute, route } from './route.ts';
import { benchEntry, benchReport } from './schemas/bench.ts';

export function benchRoutes(views: Views): ApiRoute[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/bench',
      tag: 'benchmark',
      summary: 'Reports that `aimx-gateway bench` wrote, newest first',
      needs: 'read',
      answer: z.array(benchEntry),
      run: () => views.bench(),
    }),
    route({
      method: 'GET',
      path: '/api/v1/bench/:report',
      tag: 'benchmark',
      summary: 'One report',
      needs: 'read',
      answer: benchReport,
      errors: ['NOT_FOUND', 'BENCH_REPORT'],
      run: ({ params }) => views.benchReport(params.report!),
    }),
  ];
}
