import type { Serving, ServingCatalog } from '../ports/serving.ts';
import { Catalog, type CatalogParts } from './catalog.ts';
import type { ServingParts } from './parts.ts';
import { InferenceService } from './service.ts';

export { ChannelTopics } from './channel-topics.ts';
export { MqttRequests } from './mqtt-requests.ts';

/** The file whose `storeModule` keeps the ledger of requests. */
export const SERVING_MODULE: URL = new URL(
  `./store-module${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
  import.meta.url,
);

export interface ServingStats {
  readonly inFlight: number;
  /** Answered with a result, and with an error. */
  readonly answered: number;
  readonly failed: number;
  /** Refused because too much was waiting. */
  readonly shed: number;
  /** Answered from the ledger; joined a request under way; run again after a restart. */
  readonly repeated: number;
  readonly joined: number;
  readonly recovered: number;
}

export interface ServingService extends Serving {
  readonly catalog: ServingCatalog;
  /** Runs what an earlier start accepted and did not answer. */
  start(signal: AbortSignal): Promise<void>;
  /** Takes nothing more and lets what is under way finish, for a short time. Idempotent. */
  stop(): Promise<void>;
  stats(): ServingStats;
}

/** Inference for callers from outside. Constructed pure. */
export function createServing(
  parts: ServingParts & Pick<CatalogParts, 'version' | 'list' | 'ready'>,
): ServingService {
  const service = new InferenceService(parts);
  return {
    catalog: new Catalog({ ...parts, statistics: service.statistics }),
    infer: (call, done) => service.infer(call, done),
    start: (signal) => service.start(signal),
    stop: () => service.stop(),
    stats: () => ({ inFlight: service.inFlight, ...service.counts }),
  };
}
