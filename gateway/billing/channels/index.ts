import type { BillingConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import type { Alarms } from '../../ports/alarms.ts';
import type { Chain } from '../../ports/chain.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { BookKey } from '../book-rows.ts';
import { parseAimx } from '../formats/amount.ts';
import { separatorOf } from '../formats/documents.ts';
import type { BillingStore } from '../posting/poster.ts';
import type { Tariff } from '../tariff/tariff.ts';
import type { FoundArgs } from './channel-ops.ts';
import type { ChannelRecord } from './channel-queries.ts';
import { Customers } from './customers.ts';
import { Watcher } from './watcher.ts';

export interface OpenParts {
  readonly config: BillingConfig | undefined;
  readonly chain: Chain | undefined;
  readonly book: BookKey;
  readonly tariff: Tariff;
  readonly store: BillingStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly retired: boolean;
}

export interface OpenChannels {
  readonly customers: Customers;
  readonly watcher: Watcher;
}

/** A chain for development has a block a transaction; others some seconds each. */
const DEV_CHAIN = 31337;
const DEV_MS = 500;
const EVERY_MS = 6_000;

/** Channels with customers of one device, as far as the database knows them; undefined when the configuration has none. */
export async function openChannels(parts: OpenParts): Promise<OpenChannels | undefined> {
  const { config, chain, book, tariff, store, clock } = parts;
  const { provider } = config ?? {};
  if (!config || provider === undefined || !chain?.channels) return undefined;
  const token = config.chain?.token?.toLowerCase();
  if (token === undefined)
    throw new GatewayError('CONFIG_INVALID', 'billing.provider is set and billing.chain.token is not', {
      fix: 'Name the token that customers pay in as billing.chain.token.',
    });
  const { exposure } = config;
  // Makes the book, and with it the secret of its salts.
  const block = (await store.query<Found>('billing.customers', { book }))?.scanned ?? -1;
  const args: FoundArgs = { book, channels: [], block };
  await store.commit({ ops: [{ op: 'billing.found', args }] });
  const found = (await store.query<Found>('billing.customers', { book }))!;
  const separator = separatorOf(book);
  const customers = new Customers({
    ...{ book, separator, salt: found.salt, tariff, store, clock },
    provider: provider.toLowerCase(),
    rules: {
      unacknowledged: units(exposure.unacknowledged),
      unsettled: units(exposure.unsettled),
      total: units(exposure.total),
      unseenThaw: exposure.unseenThaw,
      expiry: exposure.expiry,
      token,
      required: config.require === 'channel',
      retired: parts.retired,
    },
  });
  customers.enter(found.channels);
  const watcher = new Watcher(
    {
      ...parts,
      ...{ ledger: chain.channels, customers, separator, provider: provider.toLowerCase() },
      startBlock: config.chain?.startBlock ?? 0,
      everyMs: chain.chainId === DEV_CHAIN ? DEV_MS : EVERY_MS,
    },
    found.scanned,
  );
  return { customers, watcher };
}

type Found = { salt: Uint8Array; scanned: number; channels: ChannelRecord[] } | null;

/** The schema has let only amounts through. */
const units = (text: string): bigint => parseAimx(text) ?? 0n;
