import type { Config, UpstreamConfig } from '../gateway/config/schema.ts';
import { GatewayError } from '../gateway/errors.ts';
import type { Chain } from '../gateway/ports/chain.ts';
import type { Clock } from '../gateway/ports/clock.ts';
import type { Log } from '../gateway/ports/log.ts';
import type { Sink } from '../gateway/ports/sink.ts';
import { createEvmChain } from './evm/index.ts';
import { createFileSink } from './upstream-file/index.ts';
import { createHttpSink } from './upstream-http/index.ts';
import { createMqttSink } from './upstream-mqtt/index.ts';

/** Which adapter stands behind which setting; an adapter is added here in one line. */

export { createCoapServer } from './coap/index.ts';
export { createMqttBroker } from './mqtt-broker/index.ts';

/** The file whose `storeModule` keeps the broker's state. */
export const BROKER_STORE_MODULE: URL = new URL(
  `./mqtt-broker/store-module${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
  import.meta.url,
);

interface Common {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
}

interface SinkParts {
  readonly upstream: UpstreamConfig;
  readonly gateway: string;
  readonly clock: Clock;
  readonly log: Log;
}

const SINKS: Readonly<Record<'mqtt' | 'http' | 'file', (parts: SinkParts) => Sink>> = {
  mqtt: createMqttSink,
  http: createHttpSink,
  file: createFileSink,
};

/** The sinks of the configuration, by the id of their `upstream` entry. */
export function createSinks({ config, clock, log }: Common): Map<string, Sink> {
  return new Map(
    config.upstream.map((upstream) => {
      const kind = (['mqtt', 'http', 'file'] as const).find((name) => upstream[name] !== undefined);
      if (kind === undefined) throw new GatewayError('CONFIG_INVALID', `upstream ${upstream.id} has no kind`);
      return [upstream.id, SINKS[kind]({ upstream, gateway: config.gateway.name, clock, log })];
    }),
  );
}

/** The ledger's chain; undefined when the configuration names none: receipts then accumulate. */
export function createLedgerChain(config: Config): Chain | undefined {
  const chain = config.billing?.chain;
  if (chain?.ledger === undefined) return undefined;
  return createEvmChain({ ...chain, ledger: chain.ledger });
}
