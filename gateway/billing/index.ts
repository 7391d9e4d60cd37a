import { join } from 'node:path';
import type { BillingConfig } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Chain, Signer } from '../ports/chain.ts';
import type { Channels } from '../ports/channels.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Meter } from '../ports/meter.ts';
import { ChannelFront } from './channels/front.ts';
import type { CustomerStats } from './channels/risk.ts';
import { bookOf, type DeviceBook, openDeviceBook } from './device-book.ts';
import { NO_LEDGER } from './formats/documents.ts';
import { createKeystore, openKeystore } from './keys/keystore.ts';
import { retiredKeys } from './keys/rotation.ts';
import { ChannelMeter } from './metering/meter.ts';
import { RentMeter } from './metering/rents.ts';
import { DEFAULT_MAX_BYTES } from './metering/space.ts';
import type { Anchor } from './posting/anchor.ts';
import { openAnchors } from './posting/open-poster.ts';
import type { BillingStore } from './posting/poster.ts';
import { Settler, type SettlerStats } from './posting/settler.ts';
import { liveTariff } from './tariff/live.ts';

export { createKeystore } from './keys/keystore.ts';
export type { BillingStore } from './posting/poster.ts';
export { ReceiptFeed } from './receipts/receipt-feed.ts';

/** The file whose `storeModule` the writer thread imports. */
export const BILLING_MODULE: URL = new URL(
  `./store-module${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
  import.meta.url,
);

export interface BillingParts {
  /** Parsed `billing` section; undefined meters with the default tariff and posts nowhere. */
  readonly config: BillingConfig | undefined;
  readonly dataDir: string;
  readonly store: BillingStore;
  /** The ledger; undefined: receipts accumulate. */
  readonly chain: Chain | undefined;
  /** Those of `config.anchors`, in their order. */
  readonly anchors?: readonly Chain[];
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
}

export interface BillingStats extends SettlerStats {
  readonly uses: number;
  readonly coalesced: number;
  readonly device: string;
  /** Absent: no channels with customers. */
  readonly customers?: CustomerStats;
}

export interface Billing {
  readonly meter: Meter;
  /** Channels with customers: there are some from the start on, when the configuration names a provider. */
  readonly channels: Channels;
  /** Opens the device key, then signs heads and posts batches in the background. */
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  /** Posts what waits, or collects too what customers owe, whatever the fee (below its cap). */
  ask(what: 'post' | 'settle'): void;
  stats(): BillingStats;
}

const DEFAULTS = { keepMs: 90 * 86_400_000, coalesce: 1000 };

/** Metering, signing and posting. Pure constructor; the meter works from `start` on, with or without a chain. */
export function createBilling(parts: BillingParts): Billing {
  const { config, chain, store, clock, log, alarms } = parts;
  let meter: ChannelMeter | undefined;
  let devices: DeviceBook[] = [];
  let anchors: readonly Anchor[] = [];
  let signer: Signer | undefined;
  let rents: RentMeter | undefined;
  const front = new ChannelFront(config?.require === 'channel');

  const started = (): ChannelMeter => {
    if (meter) return meter;
    throw new GatewayError('INTERNAL', 'Billing was asked to charge before it was started.');
  };

  return {
    meter: {
      charge: (uses, options) => started().charge(uses, options),
      chargeBlock: (block) => started().chargeBlock(block),
    },
    channels: front,
    async start(signal) {
      const tariff = liveTariff({ tariff: config?.tariff, rate: config?.rate }, clock, alarms);
      const paths = config?.chain ?? (await createKeystore(join(parts.dataDir, 'keys')));
      signer = await openKeystore(paths);
      signal.throwIfAborted();
      const maxBytes = config?.maxBytes ?? DEFAULT_MAX_BYTES;
      const book = bookOf(chain, signer.address);
      meter = new ChannelMeter({
        book,
        token: (config?.chain?.token ?? NO_LEDGER.address).toLowerCase(),
        tariff,
        clock,
        coalesceAbove: config?.coalesce.above ?? DEFAULTS.coalesce,
        maxBytes,
      });
      const keepMs = config?.keep ?? DEFAULTS.keepMs;
      const shared = { config, chain, tariff, store, clock, log, alarms, maxBytes, keepMs };
      const onRound = () => tariff.refresh();
      const present = await openDeviceBook({ ...shared, signer, retired: false, onRound });
      devices = [present];
      for (const old of await retiredKeys(paths)) {
        if (await store.query<boolean>('billing.owed', { book: bookOf(chain, old.address) }))
          devices.push(await openDeviceBook({ ...shared, signer: old, retired: true }));
        else log.info({ device: old.address }, 'billing: nothing is owed to this old key, it may be removed');
      }
      front.open(devices.flatMap(({ customers }) => customers ?? []));
      for (const device of devices) device.start();
      anchors = openAnchors({ ...shared, signer, home: book, chains: parts.anchors ?? [] });
      rents = new RentMeter(config?.rents ?? [], { store, meter, clock });
      rents.start((error) => log.warn({ error }, 'billing: a minute of rent was not stored'));
    },
    async stop() {
      chain?.close(); // ends a request that hangs, so that the settler can end its round
      front.open([]);
      await rents?.stop();
      for (const anchor of anchors) await anchor.stop();
      anchors = [];
      for (const device of devices) await device.stop();
      devices = [];
    },
    ask(what) {
      for (const device of devices) device.ask(what);
    },
    stats: () => ({
      ...(meter?.stats() ?? { uses: 0, coalesced: 0 }),
      ...(devices[0]?.stats() ?? Settler.IDLE),
      device: signer?.address ?? '',
      ...(devices[0]?.customers ? { customers: devices[0].customers.stats() } : {}),
    }),
  };
}
