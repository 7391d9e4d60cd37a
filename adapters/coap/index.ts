import type { LimitsConfig, StreamConfig } from '../../gateway/config/schema.ts';
import { GatewayError } from '../../gateway/errors.ts';
import type { AccessControl } from '../../gateway/ports/access.ts';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { Log } from '../../gateway/ports/log.ts';
import type { ResultFeed } from '../../gateway/ports/results.ts';
import type { Serving } from '../../gateway/ports/serving.ts';
import type { Intake, Source } from '../../gateway/ports/source.ts';
import { Authentication } from './access.ts';
import { GatewayResources, observableKey } from './gateway-resources.ts';
import { Server } from './server.ts';

export interface CoapServerOptions {
  readonly listen: { readonly host: string; readonly coap: { readonly port: number } };
  readonly limits: LimitsConfig;
  readonly streams: readonly StreamConfig[];
  readonly intake: Intake;
  readonly access: AccessControl;
  readonly results: ResultFeed;
  /** Absent: there is no `/infer`. */
  readonly serving?: Serving;
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1): Message IDs and retransmission jitter. */
  readonly random?: () => number;
}

/** Plain numbers, all of them counts since the start except the last six, which are present amounts. */
export type CoapStats = Readonly<Record<string, number>>;

/** The CoAP door: takes readings, shows results, lets itself be discovered. */
export function createCoapServer(options: CoapServerOptions): Source & { stats(): CoapStats } {
  const { clock, limits } = options;
  const log = options.log.child('coap');
  const resources = new GatewayResources({
    streams: options.streams,
    intake: options.intake,
    results: options.results,
    serving: options.serving,
    access: options.access,
    authentication: new Authentication(options.access, clock, log),
  });
  const server = new Server({
    resources,
    clock,
    log,
    random: options.random ?? Math.random,
    maxPeers: limits.maxDevices,
    maxObservers: limits.maxConnections,
    maxBody: limits.maxPacketBytes,
    maxObserversPerPeer: limits.maxSubscriptions,
  });
  const addresses: string[] = [];
  let unsubscribe: (() => void) | undefined;

  return {
    name: 'coap',
    addresses,
    async start(signal) {
      const { host, coap } = options.listen;
      try {
        await server.start(host, coap.port, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        throw new GatewayError('COAP_LISTEN', `coap: cannot listen on ${host} port ${coap.port}`, {
          received: (error as NodeJS.ErrnoException).code,
          cause: error,
        });
      }
      unsubscribe = options.results.subscribe((pipeline, device) => {
        if (server.observers.size > 0) server.observers.changed(observableKey(pipeline, device));
      });
      const bound = server.endpoint.address;
      const shown = host.includes(':') ? `[${host}]` : host;
      addresses.splice(0, addresses.length, `coap://${shown}:${bound?.port ?? coap.port}`);
      log.info({ address: addresses[0] }, `coap: listening on ${addresses[0]}`);
    },
    async stop() {
      unsubscribe?.();
      unsubscribe = undefined;
      await server.stop();
      addresses.length = 0;
    },
    stats: () => ({
      ...server.endpoint.counters,
      ...resources.counters,
      ...server.observers.counters,
      retransmissions: server.endpoint.reliable.retransmissions,
      timeouts: server.endpoint.reliable.timeouts,
      transfersCompleted: server.transfers.completed,
      transfersDropped: server.transfers.dropped,
      peersForgotten: server.endpoint.peers.forgotten,
      pending: server.endpoint.pending,
      peers: server.endpoint.peers.size,
      exchanges: server.endpoint.peers.exchanges,
      observers: server.observers.size,
      transfers: server.transfers.size,
      transferBytes: server.transfers.bytes,
    }),
  };
}
