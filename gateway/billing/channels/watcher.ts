import type { Alarms } from '../../ports/alarms.ts';
import type { ChainAnswer } from '../../ports/chain.ts';
import type { ChannelLedger, ChannelsView, OpenedChannel } from '../../ports/channel-ledger.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { Backoff } from '../../system/backoff.ts';
import type { BookKey, ChannelKey } from '../book-rows.ts';
import { fromHex, sameBytes, toHex } from '../formats/bytes.ts';
import { canonicalJson } from '../formats/canonical-json.ts';
import { channelId } from '../formats/documents.ts';
import type { BillingStore } from '../posting/poster.ts';
import type { ChannelAccount } from './account.ts';
import type { FoundArgs, SeenArgs } from './channel-ops.ts';
import type { ChannelRecord } from './channel-queries.ts';
import type { Customers } from './customers.ts';
import { escrowText } from './rows.ts';

export interface WatcherParts {
  readonly ledger: ChannelLedger;
  readonly customers: Customers;
  readonly book: BookKey;
  readonly separator: Uint8Array;
  readonly provider: string;
  readonly store: BillingStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  /** Block to look for channels from, when none has been looked at. */
  readonly startBlock: number;
  readonly everyMs: number;
}

/** Channels looked at in one round; with more of them they take turns. */
const LOOKS = 50;
/** Where nothing has changed, the time of the last look is stored this often: flash wears. */
const NOTE_EVERY_MS = 600_000;
/** A node whose newest block is this old does not follow the chain, or the chain stands still. */
const STALE_MS = 3_600_000;
/** Terms of a channel that a payer could publish to fill the database. */
const MAX_CHANNELS = 10_000;
/** A channel that nobody has asked for in this time is not worth an alarm. */
const USED_MS = 3_600_000;

/** Looks at the ledger: finds channels, and sees deposits, payments and withdrawals. Everything it learns is final or said to be not. */
export class Watcher {
  readonly #parts: WatcherParts;
  readonly #backoff: Backoff;
  #cancel: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  #from: number;
  #turn = 0;
  #chainTime = 0;
  readonly #noted = new Map<string, number>();
  #lost = false;

  constructor(parts: WatcherParts, scanned: number) {
    this.#parts = parts;
    this.#from = Math.max(scanned + 1, parts.startBlock);
    this.#backoff = new Backoff({ first: parts.everyMs, last: 30_000, jitter: 0 });
  }

  /** Seconds since the epoch, by the newest block that was seen; 0 before the first. */
  get chainTime(): number {
    return this.#chainTime;
  }

  start(): void {
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#cancel = this.#parts.clock.after(ms, () => {
      this.#running = this.#round().then((next) => this.#schedule(next));
    });
  }

  /** Answers when to look again, ms. The store's refusals end a round: the next one finds the same. */
  async #round(): Promise<number> {
    const { log, everyMs } = this.#parts;
    try {
      const problem = (await this.#find()) ?? (await this.#look());
      this.#raise();
      if (problem === undefined) {
        this.#lost = false;
        this.#backoff.reset();
        return everyMs;
      }
      if (!this.#lost)
        log.warn({ reason: problem }, 'billing: cannot see the ledger, channels stay as they were seen last');
      this.#lost = true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn({ reason }, 'billing: what the ledger says could not be stored, trying again');
    }
    return this.#backoff.next();
  }

  /** Channels that were opened. Answers what is wrong, if anything is. */
  async #find(): Promise<string | undefined> {
    const { ledger, provider, book, store } = this.#parts;
    for (;;) {
      const answer = await ledger.opened(provider, this.#from);
      if (!answer.ok) return answer.reason;
      const { channels, finalTo, more } = answer.value;
      const fresh = this.#fresh(channels);
      if (fresh.length > 0 || more) {
        const block = Math.max(finalTo, this.#from - 1);
        const args: FoundArgs = { book, channels: fresh, block };
        await store.commit({ ops: [{ op: 'billing.found', args }] });
        await this.#enter();
      }
      // What is not final yet is searched again.
      this.#from = Math.max(this.#from, finalTo + 1);
      if (!more || this.#stopped) return undefined;
      if (fresh.length === 0 && finalTo < this.#from - 1) return undefined;
    }
  }

  /** Those with this device that hash to their id, and are not known. */
  #fresh(channels: readonly OpenedChannel[]): ChannelKey[] {
    const { book, customers, separator } = this.#parts;
    const known = new Set([...customers.accounts()].map(({ id }) => id));
    const fresh: ChannelKey[] = [];
    for (const { channelId: id, terms } of channels) {
      if (terms.device !== book.device || known.has(toHex(id))) continue;
      const config = { ...terms, salt: typeof terms.salt === 'string' ? terms.salt : toHex(terms.salt) };
      if (!sameBytes(channelId(separator, config), id)) continue;
      if (known.size + fresh.length >= MAX_CHANNELS) break;
      fresh.push({ channelId: id, account: `payer/${terms.payer}`, config: canonicalJson(config) });
    }
    return fresh;
  }

  async #enter(): Promise<void> {
    const { store, book, customers } = this.#parts;
    const found = await store.query<{ channels: ChannelRecord[] } | null>('billing.customers', { book });
    customers.enter(found?.channels ?? []);
  }

  /** The next channels in turn. */
  async #look(): Promise<string | undefined> {
    const { ledger, customers } = this.#parts;
    const all = [...customers.accounts()];
    if (all.length === 0) return undefined;
    const from = all.length <= LOOKS ? 0 : this.#turn % all.length;
    const some = [...all, ...all].slice(from, from + Math.min(LOOKS, all.length));
    this.#turn = from + LOOKS;
    const answer: ChainAnswer<ChannelsView> = await ledger.look(
      some.map(({ id }) => new Uint8Array(fromHex(id))),
    );
    if (!answer.ok) return answer.reason;
    await this.#note(some, answer.value);
    return undefined;
  }

  async #note(some: readonly ChannelAccount[], view: ChannelsView): Promise<void> {
    const { clock, customers, store } = this.#parts;
    const now = clock.now();
    this.#chainTime = Math.max(this.#chainTime, view.time);
    // A node that has stopped following the chain shows what was, not what is.
    const seenAt = now - view.time * 1000 > STALE_MS && !this.#quiet ? view.time * 1000 : now;
    const rows: SeenArgs['rows'][number][] = [];
    for (const [index, account] of some.entries()) {
      const latest = view.latest[index]!;
      const final = view.final?.[index] ?? latest;
      const changed = customers.see(account, latest, final, Math.max(account.seenAt, seenAt));
      if (!changed && now - (this.#noted.get(account.id) ?? 0) < NOTE_EVERY_MS) continue;
      this.#noted.set(account.id, now);
      const { channelId: id } = account;
      rows.push({
        channelId: id,
        latest: escrowText(latest),
        final: escrowText(final),
        seenAt: account.seenAt,
      });
    }
    if (rows.length > 0) await store.commit({ ops: [{ op: 'billing.seen', args: { rows } }] });
  }

  /** A chain for development has a block only when there is something in it. */
  get #quiet(): boolean {
    return this.#parts.book.chainId === 31337;
  }

  /** One alarm for each way in which channels that are used have come to an end. */
  #raise(): void {
    const { alarms, customers, clock } = this.#parts;
    const now = clock.now();
    const stopped = new Map<string, ChannelAccount[]>();
    for (const account of customers.accounts()) {
      const { upTo, code } = customers.standing(account);
      if (account.cumulative + account.money.reserved < upTo || now - account.askedAt > USED_MS) continue;
      stopped.set(code, [...(stopped.get(code) ?? []), account]);
    }
    for (const [code, { kind, message, fix }] of Object.entries(ALARMS)) {
      const accounts = stopped.get(code);
      if (!accounts) alarms.clear(kind);
      else
        alarms.raise({
          ...{ kind, severity: 'warning', fix },
          message: `${accounts.length} channel(s) ${message}, the first ${accounts[0]!.id}: not served.`,
        });
    }
  }
}

const ALARMS: Readonly<Record<string, { kind: string; message: string; fix: string }>> = {
  CHANNEL_CEILING: {
    kind: 'channel-ceiling',
    message: 'have reached their ceiling',
    fix: 'The payer has to sign a higher ceiling; what was served is claimed.',
  },
  CHANNEL_EXPIRED: {
    kind: 'channel-expired',
    message: 'have a ceiling that expires',
    fix: 'The payer has to sign a ceiling that is valid longer.',
  },
  CHANNEL_DEPOSIT: {
    kind: 'channel-deposit',
    message: 'have used their deposit up',
    fix: 'The payer has to deposit more.',
  },
  CHANNEL_THAWING: {
    kind: 'channel-thawing',
    message: 'are being emptied by their payers',
    fix: 'Nothing to do: what was served is posted, settled and claimed before the withdrawal ends.',
  },
  CHANNEL_EXPOSURE: {
    kind: 'channel-exposure',
    message: 'have more served than billing.exposure allows without an acknowledgement or a payment',
    fix: 'The payer has to acknowledge, or raise billing.exposure.',
  },
  CHANNEL_UNSEEN: {
    kind: 'channel-unseen',
    message: 'have not been seen on the ledger for so long that they could be emptied unnoticed',
    fix: 'Restore the uplink, or name a node that follows the chain in billing.chain.rpcUrl.',
  },
};
