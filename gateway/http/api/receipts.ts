import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import type { Views } from '../views.ts';
import { type ApiRoute, route } from './route.ts';
import {
  batchDetail,
  batchesQuery,
  batchView,
  billingSummary,
  receiptDetail,
  receiptProof,
  receiptsQuery,
  receiptView,
} from './schemas/receipts.ts';

/** What is owed: receipt → batch → transaction, with the proof to check. */
export function receiptRoutes(views: Views): ApiRoute[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/billing',
      tag: 'billing',
      summary: 'Sums of all receipts, by account',
      needs: 'read',
      answer: billingSummary,
      run: () => views.billing(),
    }),
    route({
      method: 'GET',
      path: '/api/v1/receipts',
      tag: 'billing',
      summary: 'Newest receipts first',
      needs: 'read',
      query: receiptsQuery,
      answer: z.array(receiptView),
      run: ({ query }) => views.receipts(query),
    }),
    route({
      method: 'GET',
      path: '/api/v1/receipts/:receipt',
      tag: 'billing',
      summary: 'One receipt with its batch and transaction; by place or by request id',
      needs: 'read',
      answer: receiptDetail,
      errors: ['RECEIPT_UNKNOWN', 'RECEIPT_REMOVED'],
      run: ({ params }) => views.receipt(params.receipt!),
    }),
    route({
      method: 'GET',
      path: '/api/v1/receipts/:receipt/proof',
      tag: 'billing',
      summary: 'What proves a receipt to anybody, offline',
      needs: 'read',
      answer: receiptProof,
      errors: ['RECEIPT_UNKNOWN', 'RECEIPT_REMOVED'],
      async run({ params, setHeader }) {
        const text = await views.receiptProof(params.receipt!);
        setHeader('content-type', 'application/json; charset=utf-8');
        return text;
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/batches',
      tag: 'billing',
      summary: 'Newest batches first',
      needs: 'read',
      query: batchesQuery,
      answer: z.array(batchView),
      run: ({ query }) => views.batches(query),
    }),
    route({
      method: 'GET',
      path: '/api/v1/batches/:batch',
      tag: 'billing',
      summary: 'One batch with its transactions; its receipts: /api/v1/receipts?batch=',
      needs: 'read',
      answer: batchDetail,
      errors: ['NOT_FOUND'],
      run({ params }) {
        if (!/^\d{1,15}$/.test(params.batch!))
          throw new GatewayError('NOT_FOUND', 'there is no such batch', { received: params.batch });
        return views.batch(Number(params.batch));
      },
    }),
  ];
}
