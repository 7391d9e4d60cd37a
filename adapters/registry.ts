import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Config, UpstreamConfig } from '../gateway/config/schema.ts';
import { GatewayError } from '../gateway/errors.ts';
import type { BenchmarkRegistry } from '../gateway/ports/benchmarks.ts';
import type { Chain } from '../gateway/ports/chain.ts';
import type { Clock } from '../gateway/ports/clock.ts';
import type { Directory } from '../gateway/ports/directory.ts';
import type { Log } from '../gateway/ports/log.ts';
import type { Publisher } from '../gateway/ports/publisher.ts';
import type { Sink } from '../gateway/ports/sink.ts';
import type { Source } from '../gateway/ports/source.ts';
import { STATUS_TOPIC, statusPayload } from '../gateway/system/status-topic.ts';
import { createEvmBenchmarks } from './evm/benchmarks.ts';
import { plannedContracts } from './evm/deploy.ts';
import { createEvmDirectory } from './evm/directory.ts';
import { createEvmChain } from './evm/index.ts';
import { createMqttBroker, type MqttBrokerOptions } from './mqtt-broker/index.ts';
import { createExternalBroker } from './mqtt-client/index.ts';
import { createFileSink } from './upstream-file/index.ts';
import { createHttpSink } from './upstream-http/index.ts';
import { createMqttSink } from './upstream-mqtt/index.ts';

/** Which adapter stands behind which setting; an adapter is added here in one line. */

export { createCoapServer } from './coap/index.ts';
export { sendCoins } from './evm/coins.ts';
export { deployContracts, plannedContracts } from './evm/deploy.ts';
export { findPosted } from './evm/posted.ts';

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

type ChainPlace = {
  readonly rpcUrl: string;
  readonly chainId: number;
  readonly directory?: string | undefined;
  readonly benchmarks?: string | undefined;
};

/** The directory of gateways; where `ledger deploy` puts it unless the configuration says otherwise. */
export function createDirectory({ rpcUrl, chainId, directory }: ChainPlace): Directory {
  const address = directory ?? plannedContracts(NO_TREASURY).directory;
  return createEvmDirectory({ rpcUrl, chainId, address });
}

/** The registry of benchmark results; where `ledger deploy` puts it unless the configuration says otherwise. */
export function createBenchmarks({ rpcUrl, chainId, benchmarks }: ChainPlace): BenchmarkRegistry {
  const address = benchmarks ?? plannedContracts(NO_TREASURY).benchmarks;
  return createEvmBenchmarks({ rpcUrl, chainId, address });
}

/** Only the token's address depends on who gets its supply. */
const NO_TREASURY = `0x${'0'.repeat(40)}`;

/** Ledgers on other chains, which get heads only, in the order of `billing.anchors`. */
export const createAnchorChains = (config: Config): Chain[] =>
  (config.billing?.anchors ?? []).map((anchor) => createEvmChain(anchor));

/** The MQTT side of the gateway: its own broker, or the external one of the `broker` section in its place. */
export interface MqttDoor extends Source, Publisher {
  /** MQTT over WebSocket on the HTTP port; absent with an external broker. */
  readonly handleUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;
  /** Ends the connections of these devices: their identity is no longer valid. */
  disconnect(names: ReadonlySet<string>): void;
  /** Clients connected now. */
  connections(): number;
  /** What the bounds of the door turned away since the start, by what it is. */
  turnedAway(): Readonly<Record<string, number>>;
}

type MqttParts = Omit<MqttBrokerOptions, 'listen' | 'limits'> & {
  readonly config: Config;
  /** Topics besides those of streams and requests that an external broker is asked for. */
  readonly topics?: readonly string[];
};

export function createMqttDoor(parts: MqttParts): MqttDoor {
  const { config } = parts;
  const { listen, limits, streams } = config;
  if (config.broker) {
    const door = createExternalBroker({
      ...parts,
      broker: config.broker,
      streams,
      limits,
      name: config.gateway.name,
      presence: { topic: STATUS_TOPIC, offline: statusPayload('offline', config.gateway.name) },
    });
    return Object.assign(door, { disconnect: () => {}, connections: () => 0, turnedAway: () => ({}) });
  }
  const broker = createMqttBroker({ ...parts, listen, limits });
  return Object.assign(broker, { connections: () => broker.stats().connections });
}
