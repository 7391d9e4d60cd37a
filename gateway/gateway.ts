import { join } from 'node:path';
import {
  BROKER_STORE_MODULE,
  createAnchorChains,
  createCoapServer,
  createLedgerChain,
  createMqttDoor,
  createSinks,
  type MqttDoor,
} from '../adapters/registry.ts';
import { BILLING_MODULE, createBilling, ReceiptFeed } from './billing/index.ts';
import { readersOf } from './config/names.ts';
import type { Config } from './config/schema.ts';
import { ownGateway } from './flows/address.ts';
import { LazyFlows } from './flows/lazy.ts';
import { BirthIntake, birthTopic, createHomeAssistant } from './homeassistant/index.ts';
import { flowRoutes } from './http/api/flows.ts';
import {
  channelRoutes,
  createHttpServer,
  feedRoutes,
  type HttpServer,
  settingsRoutes,
  setupIsDone,
  type UpgradeHandler,
  type Views,
} from './http/index.ts';
import { createInference } from './inference/index.ts';
import { Trust } from './inference/signing/trust.ts';
import { createIntake, openReadingStreams } from './ingest/index.ts';
import { createAggregates, createPipelines } from './pipeline/index.ts';
import type { Clock } from './ports/clock.ts';
import type { Log } from './ports/log.ts';
import type { ResultFeed } from './ports/results.ts';
import { createAccess, publishLocalApi, withdrawLocalApi } from './security/index.ts';
import {
  ChannelTopics,
  createServing,
  MqttRequests,
  SERVING_MODULE,
  type ServingService,
} from './serving/index.ts';
import { createSettings } from './settings/index.ts';
import { openStore } from './store/store.ts';
import type { Store } from './store/types.ts';
import { createAlarmStream } from './system/alarm-stream.ts';
import { createAlarms } from './system/alarms.ts';
import { systemClock } from './system/clock.ts';
import { openReceipts } from './system/document-streams.ts';
import { createTimeKeeper } from './system/known-time.ts';
import { Lifecycle, type Part } from './system/lifecycle.ts';
import { createStatusTopic } from './system/status-topic.ts';
import { bundledModels, version } from './system/version.ts';
import { createForwarders } from './upstream/index.ts';
import { createFeed } from './views/feed.ts';
import { createViews } from './views/index.ts';

export interface GatewayOptions {
  readonly config: Config;
  readonly log: Log;
  readonly clock?: Clock;
  /** Path of gateway.yaml; absent: settings are neither shown nor changed. */
  readonly file?: string;
  /** Stops this gateway and starts one with the saved settings; absent: only whoever started the process can. */
  readonly restart?: () => void;
}

/** A whole gateway in this process. `stop` finishes what was acknowledged; it may follow a failed start. */
export interface Gateway extends Part {
  readonly clock: Clock;
  readonly results: ResultFeed;
  readonly views: Views;
  /** Where it listens, once started: `mqtt://127.0.0.1:1883`. */
  readonly addresses: readonly string[];
  /** What its HTTP interface serves. */
  readonly routes: HttpServer['routes'];
  healthy(): boolean;
}

/**
 * The composition root: the only file that knows all parts. Nothing happens before `start`. The order of the parts is
 * the order in which they start, and in reverse stop: the store first, the doors before what works behind them,
 * because from the store's start on whatever comes in is kept.
 */
export function createGateway({ config, log, clock: given, file, restart }: GatewayOptions): Gateway {
  const { dataDir } = config.gateway;
  const known = { value: 0 };
  /** The newest saved settings: of these some take effect at once. */
  let saved = config;
  const clock = given ?? systemClock(known);
  const board = createAlarms(log.child('alarm'));
  const common = { config, clock, log, alarms: board };
  const store = openStore({
    dir: dataDir,
    durability: config.durability,
    gatherMs: config.gather,
    modules: [BILLING_MODULE, BROKER_STORE_MODULE, SERVING_MODULE],
    ...common,
  });
  const access = createAccess({ ...common, dataDir });
  const readingStreams = openReadingStreams(config, store);
  const intake = createIntake({ ...common, store, streams: readingStreams });
  const installedDir = config.models.dir ?? join(dataDir, 'models');
  const inference = createInference({
    ...common,
    modelDirs: [bundledModels(), installedDir],
    installedDir,
    newVersion: config.models.newVersion,
    runtimes: config.models,
    probation: config.models.probation,
    maxHostRss: config.models.maxBytes,
    trust: Trust.of(config.models.signatures, config.models.trustedKeys, installedDir),
    trials: {
      shadow: config.models.shadow,
      canary: config.models.canary,
    },
    preload: config.pipelines.map(({ model }) => model),
    rents: new Map(config.billing?.rents.map(({ account, share }) => [account, share])),
  });
  const chain = createLedgerChain(config);
  const anchors = createAnchorChains(config);
  const billing = createBilling({ ...common, config: config.billing, dataDir, store, chain, anchors });
  const requests = new MqttRequests({
    intake,
    access,
    serving: () => serving,
    channels: () => channelTopics,
    replyTopics: config.serving.replyTopics,
  });
  const { prefix, enabled: announces } = config.homeAssistant;
  const birth = birthTopic(prefix);
  const broker = createMqttDoor({
    ...common,
    intake: announces ? new BirthIntake(requests, birth, () => homeAssistant.born()) : requests,
    topics: announces ? [birth] : [],
    access,
    store,
  });
  access.onRevoked((names) => broker.disconnect(names));
  const serving: ServingService = createServing({
    ...common,
    config: config.serving,
    store,
    inference,
    meter: billing.meter,
    channels: billing.channels,
    publisher: broker,
    version: version(),
    list: () => inference.list(),
    ready: () => views.health().ready,
  });
  const channelTopics = new ChannelTopics({
    ...common,
    channels: billing.channels,
    publisher: broker,
    store,
  });
  const pipelines = createPipelines({
    ...common,
    store,
    readingStreams,
    inference,
    publisher: broker,
    meter: billing.meter,
  });
  const aggregates = createAggregates({ ...common, store, readingStreams });
  const coap = createCoapServer({
    ...common,
    listen: config.listen,
    limits: config.limits,
    streams: config.streams,
    intake,
    access,
    results: pipelines.feed,
    serving,
  });
  const sinks = createSinks(common);
  const forwarders = createForwarders({ ...common, store, sinks });
  const alarmStream = createAlarmStream({ config, board, store, publisher: broker, clock, log });
  const views = createViews({
    ...common,
    alarmLog: alarmStream.log,
    location: () => saved.gateway.location,
    store,
    readingStreams,
    intake,
    inference,
    pipelines,
    aggregates,
    forwarders,
    billing,
    access,
    addresses: () => [...broker.addresses, ...coap.addresses, ...http.addresses],
    connections: () => broker.connections(),
    turnedAway: () => broker.turnedAway(),
    requests: () => serving.stats(),
  });
  const flows = new LazyFlows({
    ...common,
    config: config.flows,
    name: config.gateway.name,
    dataDir,
    own: () => ownGateway(config, broker.addresses, http.addresses, access.flowsToken),
  });
  const settings =
    file === undefined
      ? undefined
      : createSettings({
          file,
          running: config,
          models: () => inference.list().map(({ name, version: of }) => ({ name, version: of })),
          saved: (next) => {
            saved = next;
          },
        });
  const http = createHttpServer({
    ...common,
    views,
    serving,
    access,
    models: inference.life,
    alarmAdmin: alarmStream,
    routes: [
      ...feedRoutes(createFeed({ config, store, readingStreams, clock })),
      ...channelRoutes(billing.channels, (what) => billing.ask(what)),
      ...flowRoutes(() => flows.running),
      ...(settings ? settingsRoutes(settings, restart) : []),
      setupIsDone(version()),
    ],
    flows,
    readings: { intake, access },
    upgrade: broker.handleUpgrade && upgradeTo(broker),
  });

  const homeAssistant = createHomeAssistant({
    config,
    publisher: broker,
    readingStreams,
    feed: pipelines.feed,
    views,
    port: () => http.port,
    clock,
    log,
  });
  const status = createStatusTopic({ publisher: broker, gateway: config.gateway.name, clock, log });
  const life = new Lifecycle(
    [
      named('store', store),
      createTimeKeeper({ file: join(dataDir, 'last-known-time'), known, clock, log, alarms: board }),
      named('access', access),
      broker,
      status.first,
      alarmStream,
      coap,
      channelTopics,
      named('billing', billing),
      named('inference', inference),
      named('serving', serving),
      named('pipelines', pipelines),
      named('aggregates', aggregates),
      ...receiptFeed(config, store, clock, log),
      named('upstream', forwarders),
      retirement(config, store),
      views,
      http,
      draining(serving),
      localApi(dataDir, http, access.localToken, clock),
      flows,
      homeAssistant,
      status.last,
    ],
    log,
  );
  return {
    name: 'gateway',
    clock,
    results: pipelines.feed,
    views,
    routes: http.routes,
    get addresses() {
      return [...broker.addresses, ...coap.addresses, ...http.addresses];
    },
    healthy: () => views.health().live,
    async start(signal) {
      await life.start(signal);
      views.ready();
      log.info({ addresses: this.addresses }, 'gateway: ready');
    },
    async stop() {
      views.stopping();
      await life.stop();
      log.info({}, 'gateway: stopped');
    },
  };
}

/** Lets requests under way be answered before their doors close. */
const draining = (serving: ServingService): Part => ({
  name: 'inference requests',
  start: async () => {},
  stop: () => serving.stop(),
});

const named = (name: string, part: Omit<Part, 'name'>): Part => ({
  name,
  start: (signal) => part.start(signal),
  stop: () => part.stop(),
});

/** Receipts go into the journal only when some sink sends them. */
function receiptFeed(config: Config, store: Store, clock: Clock, log: Log): Part[] {
  if (!config.upstream.some(({ send }) => send.includes('receipts'))) return [];
  const stream = openReceipts(store, config);
  return [named('receipts', new ReceiptFeed({ gateway: config.gateway.name, store, stream, clock, log }))];
}

/** What the configuration no longer has must hold nothing back. After all that register consumers. */
const retirement = (config: Config, store: Store): Part => ({
  name: 'retirement of consumers',
  start: () => store.retireConsumers(readersOf(config)),
  stop: async () => {},
});

/** Hands WebSocket requests to the broker; what is not for it is closed. */
const upgradeTo =
  (door: MqttDoor): UpgradeHandler =>
  (request, socket, head) => {
    if (!door.handleUpgrade?.(request, socket, head)) socket.destroy();
  };

/** Tells the command line on this machine how to reach this gateway, while it runs. */
const localApi = (dataDir: string, http: HttpServer, token: string, clock: Clock): Part => ({
  name: 'local api',
  async start() {
    publishLocalApi(dataDir, { url: http.addresses[0]!, token, pid: process.pid, startedAt: clock.now() });
  },
  async stop() {
    withdrawLocalApi(dataDir);
  },
});
