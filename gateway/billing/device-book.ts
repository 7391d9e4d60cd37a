import type { BillingConfig } from '../config/schema.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Chain, Signer } from '../ports/chain.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { BookKey } from './book-rows.ts';
import type { Customers } from './channels/customers.ts';
import { openChannels } from './channels/index.ts';
import { NO_LEDGER } from './formats/documents.ts';
import { openPoster } from './posting/open-poster.ts';
import type { BillingStore } from './posting/poster.ts';
import { Settler, type SettlerStats } from './posting/settler.ts';
import type { Tariff } from './tariff/tariff.ts';

export interface DeviceBookParts {
  readonly config: BillingConfig | undefined;
  readonly chain: Chain | undefined;
  readonly signer: Signer;
  /** A key that was replaced: its channels are no longer served, and what they owe is collected. */
  readonly retired: boolean;
  readonly tariff: Tariff;
  readonly store: BillingStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly maxBytes: number;
  readonly keepMs: number;
  readonly onRound?: () => void;
}

/** What one device key commits to and collects: signing, posting, channels. */
export interface DeviceBook {
  readonly book: BookKey;
  readonly customers: Customers | undefined;
  start(): void;
  stop(): Promise<void>;
  /** Posts, or collects too, at once. */
  ask(what: 'post' | 'settle'): void;
  stats(): SettlerStats;
}

export const bookOf = (chain: Chain | undefined, device: string): BookKey => ({
  ...(chain ? { chainId: chain.chainId, address: chain.ledger } : NO_LEDGER),
  device,
});

/** Opens the book of a key; nothing happens before `start`. */
export async function openDeviceBook(parts: DeviceBookParts): Promise<DeviceBook> {
  const { chain, signer, retired, onRound } = parts;
  const book = bookOf(chain, signer.address);
  const own = retired ? { ...parts, alarms: apart(parts.alarms) } : parts;
  const open = await openChannels({ ...own, book });
  const settler = new Settler({
    ...{ ...own, book, poster: chain && openPoster({ ...own, chain, book }) },
    onHead: (channel, head) => open?.customers.signed(channel, head),
    ...(onRound ? { onRound } : {}),
  });
  return {
    book,
    customers: open?.customers,
    start() {
      settler.start();
      open?.watcher.start();
    },
    async stop() {
      await open?.watcher.stop();
      await settler.stop();
    },
    ask: (what) => settler.ask(what),
    stats: () => settler.stats(),
  };
}

/** Alarms of a retired key stand beside those of the present one. */
const apart = (alarms: Alarms): Alarms => ({
  ...alarms,
  raise: (alarm) => alarms.raise({ ...alarm, kind: `retired-${alarm.kind}` }),
  clear: (kind) => alarms.clear(`retired-${kind}`),
  active: () => alarms.active(),
});
