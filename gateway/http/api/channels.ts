import { z } from 'zod';
import type { Channels } from '../../ports/channels.ts';
import { type ApiRoute, type Call, route } from './route.ts';
import {
  ackBody,
  ceilingBody,
  channelReceipt,
  channelView,
  collectBody,
  receiptsFrom,
  tariffView,
} from './schemas/channels.ts';

/** Channels by which customers pay: their state, their receipts, and the words of payers, which count by their signature. */
export function channelRoutes(channels: Channels, ask: (what: 'post' | 'settle') => void): ApiRoute[] {
  const take = (kind: 'ceiling' | 'ack', { params, body, caller }: Call): Promise<object> =>
    channels.take(params.channel!, kind, body, `consumer/${caller?.name ?? 'anonymous'}`);
  return [
    route({
      method: 'GET',
      path: '/api/v1/tariff',
      tag: 'billing',
      summary: 'What is charged, and the terms under which channels are served',
      needs: 'read',
      answer: tariffView,
      errors: ['CHANNEL_UNKNOWN'],
      run: () => channels.tariff(),
    }),
    route({
      method: 'POST',
      path: '/api/v1/billing/collect',
      tag: 'billing',
      summary:
        'Post what waits, or also settle, claim and release what is due, without waiting for a better fee',
      needs: 'change',
      body: collectBody,
      answer: z.object({ asked: z.enum(['post', 'settle']) }),
      status: 202,
      run({ body }) {
        ask(body.what);
        return { asked: body.what };
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/channels',
      tag: 'billing',
      summary: 'Channels with customers',
      needs: 'read',
      answer: z.array(channelView),
      run: () => channels.list(),
    }),
    route({
      method: 'GET',
      path: '/api/v1/channels/:channel',
      tag: 'billing',
      summary: 'One channel: terms, deposit, ceiling, what is acknowledged, why it is stopped',
      needs: 'read',
      answer: channelView,
      errors: ['CHANNEL_UNKNOWN', 'CHANNEL_DOCUMENT'],
      run: ({ params }) => channels.show(params.channel!),
    }),
    route({
      method: 'GET',
      path: '/api/v1/channels/:channel/receipts',
      tag: 'billing',
      summary: 'Receipts of a channel with all that is needed to check them, oldest first',
      needs: 'read',
      query: receiptsFrom,
      answer: z.array(channelReceipt),
      errors: ['CHANNEL_UNKNOWN', 'CHANNEL_DOCUMENT'],
      run: ({ params, query }) => channels.receipts(params.channel!, query.from, query.limit),
    }),
    route({
      method: 'POST',
      path: '/api/v1/channels/:channel/ceilings',
      tag: 'billing',
      summary: 'The payer allows more to be billed',
      needs: 'read',
      body: ceilingBody,
      answer: channelView,
      errors: ['CHANNEL_UNKNOWN', 'CHANNEL_DOCUMENT', 'CHANNEL_SIGNER'],
      run: (call) => take('ceiling', call),
    }),
    route({
      method: 'POST',
      path: '/api/v1/channels/:channel/acks',
      tag: 'billing',
      summary: 'The payer acknowledges what was served: it can be settled at once',
      needs: 'read',
      body: ackBody,
      answer: channelView,
      errors: ['CHANNEL_UNKNOWN', 'CHANNEL_DOCUMENT', 'CHANNEL_SIGNER', 'CHANNEL_DISAGREES'],
      run: (call) => take('ack', call),
    }),
  ];
}
