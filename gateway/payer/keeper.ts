import { toHex } from '../billing/formats/bytes.ts';
import { asGatewayError } from '../errors.ts';
import type { Signer } from '../ports/chain.ts';
import type { Clock } from '../ports/clock.ts';
import type { Escrow, EscrowView } from '../ports/escrow.ts';
import type { Log } from '../ports/log.ts';
import type { LinkNews, PayerLink } from '../ports/payer-link.ts';
import type { Books } from './books/books.ts';
import { type PayerChannel, readChannel } from './books/channels.ts';
import { DEFAULT_RETENTION, prune, type Retention } from './books/retention.ts';
import { paymentRound } from './chain/payments.ts';
import { topUp } from './chain/top-up.ts';
import { watchChannel } from './chain/watch.ts';
import type { Desk } from './desk.ts';
import { LEFT_TO_OWNER } from './requests.ts';
import { windowOf } from './window.ts';

export interface KeeperParts {
  readonly books: Books;
  readonly desks: readonly Desk[];
  /** Brings news of the channels; absent: they are asked for. */
  readonly link?: PayerLink;
  /** The chain of a channel; undefined: it is not looked at. */
  readonly escrowOf: (channel: PayerChannel) => Escrow | undefined;
  /** Pays for challenges; absent: they are planned only. */
  readonly wallet?: Signer;
  readonly maxFee: bigint;
  readonly clock: Clock;
  readonly log: Log;
  /** Fills the escrow again by this much when less than a window is left; absent: the owner does it. */
  readonly topUp?: { readonly amount: bigint; readonly window: number };
  readonly retention?: Retention;
  /** How often channels are settled with the gateway, and looked at on the chain, ms. */
  readonly settleEvery?: number;
  readonly watchEvery?: number;
}

const SETTLE_MS = 1000;
/** The shortest dispute window is an hour. */
const WATCH_MS = 60_000;
const PRUNE_MS = 3_600_000;
/** A request that had no answer for so long is nobody's any more: the run that made it was killed or gave up. */
const ABANDONED_MS = 120_000;

/**
 * Keeps channels in order while it runs: fetches receipts that are missing, acknowledges, raises ceilings, watches claims and
 * challenges false ones, prunes the books. Needs neither gateway nor chain to go on: what fails is tried again.
 */
export class Keeper {
  readonly #parts: KeeperParts;
  readonly #cancels: (() => void)[] = [];
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #listening = false;
  /** What was said last, so that nothing is said twice in a row. */
  readonly #said = new Map<string, string>();

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    const { settleEvery = SETTLE_MS, watchEvery = WATCH_MS } = this.#parts;
    await this.#listen();
    this.#every(settleEvery, () => this.settle());
    this.#every(watchEvery, () => this.watch());
    this.#every(PRUNE_MS, async () => {
      prune(this.#parts.books, this.#parts.retention ?? DEFAULT_RETENTION, this.#parts.clock.now());
    });
  }

  /** News of the channels; where they cannot be had now they are asked for again later. */
  async #listen(): Promise<void> {
    const { link, desks } = this.#parts;
    if (this.#listening || !link?.listen) return;
    const listened = await link.listen(
      desks.map(({ channel }) => toHex(channel)),
      (news) => {
        try {
          this.#onNews(news);
        } catch (error) {
          // Books that are busy for long, say: the same comes with the next settlement.
          this.#parts.log.error({ err: error }, 'payer: news of a channel could not be kept');
        }
      },
    );
    this.#listening = listened.ok;
    if (!listened.ok) this.#say('link', `news of channels cannot be had: ${listened.reason}`);
  }

  #onNews(news: LinkNews): void {
    const desk = this.#parts.desks.find((one) => toHex(one.channel) === news.channel);
    if (news.kind === 'head') desk?.takeHead(news.document);
    else if (news.kind === 'state') desk?.takeState(news.document);
    else this.#say(`refused ${news.channel}`, `the gateway does not take the ${news.reason}`);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#cancels) cancel();
    await this.#running;
  }

  /** One settlement of every channel with its gateway. */
  async settle(): Promise<void> {
    await this.#listen();
    for (const desk of this.#parts.desks) {
      const name = toHex(desk.channel);
      const fetched = await desk.fetchMissing();
      if (!fetched.ok) this.#say(`receipts ${name}`, `receipts cannot be had: ${fetched.reason}`);
      else {
        this.#said.delete(`receipts ${name}`);
        const { waitsFor } = fetched.value;
        if (waitsFor !== undefined) await desk.askAgain(waitsFor, ABANDONED_MS);
      }
      await this.#guarded(name, async () => {
        const settled = await desk.settle({ ack: true });
        if (!settled.ok) this.#say(name, `nothing can be handed over: ${settled.reason}`);
        else this.#said.delete(name);
      });
    }
  }

  /** One look at every channel on its chain, and one step for every payment. */
  async watch(): Promise<void> {
    const { books, desks, escrowOf, wallet, maxFee, clock, log } = this.#parts;
    const escrows = new Set<Escrow>();
    for (const { channel } of desks) {
      const escrow = escrowOf(readChannel(books, channel));
      if (!escrow) continue;
      escrows.add(escrow);
      const watched = await watchChannel(books, escrow, channel, clock.now());
      const name = `chain ${toHex(channel)}`;
      if (!watched.ok) this.#say(name, `the chain cannot be asked: ${watched.reason}`);
      else if (watched.value.claim === 'challenged' || watched.value.claim === 'unrefuted')
        log.warn({ channel: toHex(channel), claim: watched.value.claim }, 'payer: a claim waits');
      else this.#said.delete(name);
      if (watched.ok && wallet) await this.#topUp(escrow, wallet, channel, watched.value.view);
    }
    if (!wallet) return;
    for (const escrow of escrows) {
      const round = await paymentRound({ books, escrow, wallet, maxFee, now: () => clock.now() });
      if (round.kind === 'unreachable') this.#say('payments', `payments wait: ${round.reason}`);
    }
  }

  async #topUp(escrow: Escrow, wallet: Signer, channel: Uint8Array, view: EscrowView): Promise<void> {
    const { books, clock, log } = this.#parts;
    if (!this.#parts.topUp) return;
    const { amount, window } = this.#parts.topUp;
    const parts = { books, escrow, wallet, now: () => clock.now() };
    await this.#guarded(toHex(channel), async () => {
      const below = windowOf(books, channel, window, clock.now());
      if (await topUp(parts, channel, view, { amount, below }))
        log.info({ channel: toHex(channel) }, 'payer: the escrow is filled');
    });
  }

  async #guarded(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const { code, message } = asGatewayError(error);
      if (!LEFT_TO_OWNER.has(code) && code !== 'PAYER_CHAIN') throw error;
      this.#say(name, message);
    }
  }

  #say(about: string, message: string): void {
    if (this.#said.get(about) === message) return;
    this.#said.set(about, message);
    this.#parts.log.warn({ about }, `payer: ${message}`);
  }

  /** Does `work` now and then, one piece at a time over all; an error that nobody expected is told, and the rest goes on. */
  #every(ms: number, work: () => Promise<void>): void {
    const slot = this.#cancels.push(() => {}) - 1;
    const wait = (): void => {
      this.#cancels[slot] = this.#parts.clock.after(ms, () => {
        this.#running = this.#running
          .then(() => (this.#stopped ? undefined : work()))
          .catch((error: unknown) => {
            this.#parts.log.error({ err: error }, 'payer: a step failed; it is tried again');
          })
          .then(() => (this.#stopped ? undefined : wait()));
      });
    };
    wait();
  }
}
