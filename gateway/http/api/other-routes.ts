import { z } from 'zod';
import type { DocumentedRoute } from '../inference-api.ts';
import { healthView } from './schemas/status.ts';

const reading = (method: 'post' | 'put'): DocumentedRoute => ({
  method,
  path: '/s/{stream}/{device}',
  tag: 'streams',
  summary:
    'Send readings as over MQTT: 204 once the journal has them, 400 when they were put aside, 503 when they must be sent again',
  security: [{ device: [] }, { bearer: [] }],
  body: z.string().describe('As `decode` of the stream says; up to limits.maxPacketBytes'),
  bodyType: '*/*',
  answer: z.unknown(),
  status: 204,
});

/** Words for what is served by other means than {@link ApiRoute}. */
export const OTHER_ROUTES: readonly DocumentedRoute[] = [
  {
    method: 'get',
    path: '/health/ready',
    tag: 'health',
    summary: 'Whether it takes readings; 503 while it does not',
    open: true,
    answer: healthView,
  },
  {
    method: 'get',
    path: '/metrics',
    tag: 'status',
    summary: 'Figures for Prometheus',
    answer: z.string(),
    answerType: 'text/plain',
  },
  {
    method: 'get',
    path: '/api/v1/openapi.json',
    tag: 'status',
    summary: 'This document',
    open: true,
    answer: z.looseObject({ openapi: z.string() }),
  },
  reading('post'),
  reading('put'),
];
