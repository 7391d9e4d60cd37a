import { z } from 'zod';
import type { Views } from '../views.ts';
import { type ApiRoute, route } from './route.ts';
import { pipelineDetail, resultPage, resultsQuery } from './schemas/pipelines.ts';
import { readingsQuery, readingsView, streamDetail } from './schemas/streams.ts';
import { sinkDetail } from './schemas/upstream.ts';

/** What flows: streams in, results of pipelines, sinks. */
export function streamRoutes(views: Views): ApiRoute[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/streams',
      tag: 'streams',
      summary: 'Streams with their counts, rates and fields',
      needs: 'read',
      answer: z.array(streamDetail),
      run: () => views.streams(),
    }),
    route({
      method: 'GET',
      path: '/api/v1/streams/:stream/readings',
      tag: 'streams',
      summary: 'History of a stream, thinned to what a screen can show, with the anomalies models saw in it',
      needs: 'read',
      query: readingsQuery,
      answer: readingsView,
      errors: ['NOT_FOUND', 'HTTP_BUSY'],
      run: ({ params, query, signal }) => views.readings(params.stream!, query, signal),
    }),
    route({
      method: 'GET',
      path: '/api/v1/pipelines',
      tag: 'pipelines',
      summary: 'Pipelines with their queues and a histogram of latencies',
      needs: 'read',
      answer: z.array(pipelineDetail),
      run: () => views.pipelines(),
    }),
    route({
      method: 'GET',
      path: '/api/v1/pipelines/:pipeline/results',
      tag: 'pipelines',
      summary: 'Results of a pipeline as they are kept, newest first',
      needs: 'read',
      query: resultsQuery,
      answer: resultPage,
      errors: ['NOT_FOUND'],
      run: ({ params, query }) => views.pipelineResults(params.pipeline!, query),
    }),
    route({
      method: 'GET',
      path: '/api/v1/upstream',
      tag: 'upstream',
      summary: 'Sinks with their backlog and when it will be gone',
      needs: 'read',
      answer: z.array(sinkDetail),
      run: () => views.upstream(),
    }),
  ];
}
