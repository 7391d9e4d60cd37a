import { GatewayError } from '../../errors.ts';
import { type ApiRoute, route } from './route.ts';
import {
  type FeedKind,
  type FeedPage,
  type FeedQuery,
  feedKind,
  feedPage,
  feedQuery,
} from './schemas/feed.ts';

/** Pages of the journals for programs that follow them with a cursor of their own. */
export interface Feed {
  /** @throws GatewayError NOT_FOUND */
  page(kind: FeedKind, id: string, query: FeedQuery, signal: AbortSignal): Promise<FeedPage>;
}

export function feedRoutes(feed: Feed): ApiRoute[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/feed/:kind/:id',
      tag: 'streams',
      summary:
        'Readings of a stream, results of a pipeline or aggregates, each once and in order, behind a cursor that the caller keeps',
      needs: 'read',
      query: feedQuery,
      answer: feedPage,
      errors: ['NOT_FOUND'],
      run({ params, query, signal }) {
        const kind = feedKind.safeParse(params.kind);
        if (!kind.success) throw new GatewayError('NOT_FOUND', `there is no feed of ${params.kind}`);
        return feed.page(kind.data, params.id!, query, signal);
      },
    }),
  ];
}
