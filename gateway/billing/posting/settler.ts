import type { Alarms } from '../../ports/alarms.ts';
import type { Signer } from '../../ports/chain.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { Backoff, type Schedule } from '../../system/backoff.ts';
import type { BookKey } from '../book-rows.ts';
import { toHex } from '../formats/bytes.ts';
import { headDigest, separatorOf } from '../formats/documents.ts';
import type { SignedStatement } from '../formats/wire.ts';
import { BOOT } from '../metering/meter.ts';
import type { ChargeTime, FinaliseArgs, SignArgs } from '../metering/metering-ops.ts';
import type { PruneArgs } from '../metering/prune-op.ts';
import { FULL, type Space } from '../metering/space.ts';
import type { UnsignedHead } from '../receipts/receipt-queries.ts';
import type { Tariff } from '../tariff/tariff.ts';
import type { BillingStore, Poster, Round } from './poster.ts';

export interface SettlerParts {
  readonly store: BillingStore;
  readonly signer: Signer;
  readonly book: BookKey;
  readonly tariff: Tariff;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  /** Absent without a chain. */
  readonly poster: Poster | undefined;
  /** Receipts are kept this long, as far as there is room for them. */
  readonly keepMs: number;
  /** What all receipts may take, bytes. */
  readonly maxBytes: number;
  /** Told of each head that is signed and stored. */
  readonly onHead?: (channelId: Uint8Array, head: SignedStatement) => void;
  /** Called at the beginning of each round, every second. */
  readonly onRound?: () => void;
}

export interface SettlerStats {
  readonly headsSigned: number;
  readonly transactionsSent: number;
  /** Receipts that the chain's head covers, as last seen. */
  readonly posted: number;
  readonly chain: 'none' | 'waiting' | 'ok' | 'unavailable' | 'stopped';
  /** Block of the last look at the chain. */
  readonly block: number;
}

const ROUND_MS = 1_000;
const CHAIN: Schedule = { first: ROUND_MS, last: 30_000, jitter: 0 };
/** An unreachable chain is worth an alarm only when it stays so. */
const ALARM_AFTER_MS = 60_000;
/** Signatures take a good half millisecond each; more than this wait for the next round. */
const HEADS_PER_ROUND = 32;
const FINALISE_PER_ROUND = 500;
/** Old receipts go in small steps, so that no commit waits for them. */
const PRUNE_EVERY_MS = 30_000;
const PRUNE_PER_STEP = 1_000;
/** Steps in a round; more than receipts can be made in a second. */
const PRUNE_STEPS = 16;

/** Every second: numbers what waited for the time, signs heads, lets the poster do a round. Ends only by `stop`. */
export class Settler {
  static readonly IDLE: SettlerStats = {
    headsSigned: 0,
    transactionsSent: 0,
    posted: 0,
    chain: 'none',
    block: 0,
  };

  readonly #parts: SettlerParts;
  readonly #separator: Uint8Array;
  #stats: SettlerStats;
  #cancel: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  readonly #backoff = new Backoff(CHAIN);
  #postAt = 0;
  #pruneAt = 0;
  #slotMs = 0;
  #unavailableSince: number | undefined;

  constructor(parts: SettlerParts) {
    this.#parts = parts;
    this.#separator = separatorOf(parts.book);
    this.#stats = { ...Settler.IDLE, chain: parts.poster ? 'waiting' : 'none' };
  }

  start(): void {
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
  }

  stats(): SettlerStats {
    return this.#stats;
  }

  /** Posts, or collects too, at once. */
  ask(what: 'post' | 'settle'): void {
    this.#parts.poster?.ask(what);
    this.#postAt = 0;
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#cancel = this.#parts.clock.after(ms, () => {
      this.#running = this.#tick().finally(() => this.#schedule(ROUND_MS));
    });
  }

  /** The store's own refusals (full, stopping) end a round, not the settler: the next one finds the same work. */
  async #tick(): Promise<void> {
    const { clock, log, alarms } = this.#parts;
    this.#parts.onRound?.();
    if (!clock.synced()) {
      alarms.raise({
        kind: 'billing-time',
        severity: 'warning',
        message: 'The time is not known; uses are counted but no receipt is made.',
        fix: 'Give the gateway a time source (NTP, RTC).',
      });
      return;
    }
    alarms.clear('billing-time');
    try {
      await this.#finalise();
      await this.#signHeads();
      if (clock.monotonic() >= this.#postAt) await this.#post();
      await this.#keepBounds();
      alarms.clear('billing-store');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn({ reason }, 'billing: a round could not be stored, trying again in a second');
      alarms.raise({
        kind: 'billing-store',
        severity: 'warning',
        message: `Billing cannot store its work: ${reason}`,
        fix: 'See the alarms of the store.',
      });
    }
  }

  async #finalise(): Promise<void> {
    const { store, book, tariff, clock, maxBytes } = this.#parts;
    if (!(await store.query<boolean>('billing.waiting', { book, maxBytes, now: clock.now() }))) return;
    const time: ChargeTime = { synced: true, now: clock.now(), monotonic: clock.monotonic(), boot: BOOT };
    const args: FinaliseArgs = { book, tariff: tariff.json, limit: FINALISE_PER_ROUND, time, maxBytes };
    await store.commit({ ops: [{ op: 'billing.finalise', args }] });
  }

  async #signHeads(): Promise<void> {
    const { store, book, signer } = this.#parts;
    const open = await store.query<UnsignedHead[]>('billing.unsigned', { book, limit: HEADS_PER_ROUND });
    if (open.length === 0) return;
    const heads: { channel: number; seq: number; signature: Uint8Array }[] = [];
    for (const head of open) {
      const digest = headDigest(this.#separator, {
        channelId: head.channel_id,
        seq: head.seq,
        cumulative: BigInt(head.cumulative),
        receiptHash: head.hash,
      });
      heads.push({ channel: head.channel, seq: head.seq, signature: signer.sign(digest) });
      await new Promise((resolve) => setImmediate(resolve));
    }
    const args: SignArgs = { heads };
    await store.commit({ ops: [{ op: 'billing.sign', args }] });
    for (const [index, { channel_id, seq, cumulative, hash: receiptHash }] of open.entries()) {
      const { signature } = heads[index]!;
      this.#parts.onHead?.(channel_id, { seq, cumulative: BigInt(cumulative), receiptHash, signature });
    }
    this.#stats = { ...this.#stats, headsSigned: this.#stats.headsSigned + heads.length };
  }

  /** Looks at the room every second, and at ages every half minute. */
  async #keepBounds(): Promise<void> {
    const { store, clock, alarms, maxBytes } = this.#parts;
    const space = await store.query<Space>('billing.space', { maxBytes });
    if (space.slotMs === 0) alarms.clear('receipts-backlog');
    else if (space.slotMs !== this.#slotMs)
      alarms.raise({
        kind: 'receipts-backlog',
        severity: 'warning',
        message: `${space.waiting} receipts (${mebibytes(space.waitingBytes)} MiB of ${mebibytes(maxBytes)}) wait for the chain. Nothing is lost: ${slotText(space.slotMs)}.`,
        fix: 'Make the chain reachable again and see that the device key can pay for posting (other billing alarms say why it cannot), or raise billing.maxBytes.',
      });
    this.#slotMs = space.slotMs;
    if (space.bytes > maxBytes * FULL || clock.monotonic() >= this.#pruneAt) await this.#prune();
  }

  async #prune(): Promise<void> {
    const { store, clock, keepMs, maxBytes } = this.#parts;
    const args: PruneArgs = { before: clock.now() - keepMs, maxBytes, limit: PRUNE_PER_STEP };
    this.#pruneAt = clock.monotonic() + PRUNE_EVERY_MS;
    for (let step = 0; step < PRUNE_STEPS && !this.#stopped; step++) {
      const [removed] = await store.commit({ ops: [{ op: 'billing.prune', args }] });
      if (removed !== PRUNE_PER_STEP) return;
    }
    this.#pruneAt = 0; // there is more: go on in the next round
  }

  async #post(): Promise<void> {
    const round = await this.#parts.poster?.round();
    if (!round) return;
    if (round.kind === 'unavailable') this.#unavailable(round);
    else if (round.kind === 'stopped') this.#halted(round);
    else this.#settled(round);
  }

  #settled(round: Extract<Round, { kind: 'settled' }>): void {
    const { log, alarms, book } = this.#parts;
    this.#backoff.reset();
    this.#unavailableSince = undefined;
    for (const kind of ['billing-chain', 'billing-head', 'billing-fee']) alarms.clear(kind);
    for (const hash of round.sent) log.info({ tx: toHex(hash) }, 'billing: sent a batch to the ledger');
    for (const change of round.drift) {
      if (change.to === 'SENT')
        log.warn(
          { batch: change.id, was: change.from },
          'billing: the chain took a batch back, sending it again',
        );
      else
        log.info(
          { batch: change.id, state: change.to, ledger: book.address },
          'billing: a batch is in the chain',
        );
    }
    const transactionsSent = this.#stats.transactionsSent + round.sent.length;
    const { block, head } = round.view;
    this.#stats = { ...this.#stats, transactionsSent, posted: head.toSeq, chain: 'ok', block };
  }

  #unavailable(round: Extract<Round, { kind: 'unavailable' }>): void {
    const { clock, log, alarms } = this.#parts;
    const now = clock.monotonic();
    this.#unavailableSince ??= now;
    const retryMs = this.#backoff.next();
    this.#postAt = now + retryMs;
    this.#stats = { ...this.#stats, chain: 'unavailable' };
    const { code, reason } = round;
    log.warn({ code, reason, retryMs }, 'billing: cannot post, receipts wait in the database');
    if (code === 'unreachable' && now - this.#unavailableSince < ALARM_AFTER_MS) return;
    alarms.raise({
      kind: 'billing-chain',
      severity: 'warning',
      message: `Batches cannot be posted: ${reason}`,
      fix:
        code === 'wrong'
          ? 'Check billing.chain.rpcUrl, chainId and ledger.'
          : 'Check the uplink, billing.chain.rpcUrl and the balance of the device key.',
    });
  }

  #halted(round: Extract<Round, { kind: 'stopped' }>): void {
    const { alarms, book } = this.#parts;
    this.#stats = {
      ...this.#stats,
      chain: 'stopped',
      posted: round.view.head.toSeq,
      block: round.view.block,
    };
    if (round.reason === 'fee-budget') {
      alarms.raise({
        kind: 'billing-fee',
        severity: 'warning',
        message: 'The fees of the last 24 hours have used billing.fees.dailyBudget up; batches wait.',
        fix: 'Wait, or raise the budget.',
      });
      return;
    }
    if (round.reason === 'fee-cap') {
      alarms.raise({
        kind: 'billing-fee',
        severity: 'warning',
        message: 'Posting costs more per gas than billing.chain.maxFeeGwei; batches wait.',
        fix: 'Wait, or raise maxFeeGwei.',
      });
      return;
    }
    if (round.reason === 'receipts-gone') {
      alarms.raise({
        kind: 'billing-head',
        severity: 'critical',
        message:
          'The chain no longer has batches that it held for good, and their receipts are no longer kept.',
        fix: 'Check that billing.chain.rpcUrl leads to the same chain as before; a new chain needs a new ledger.',
      });
      return;
    }
    alarms.raise({
      kind: 'billing-head',
      severity: 'critical',
      message: `The ledger holds a batch of device ${book.device} that this gateway does not know.`,
      fix: 'Another gateway posts with this key, or the data folder is an old copy: give each gateway its own key, or restore the newest data.',
    });
  }
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

function slotText(slotMs: number): string {
  if (slotMs === 60_000) return 'uses of an account and model now share one receipt a minute';
  if (slotMs === 3_600_000) return 'uses of an account and model now share one receipt an hour';
  return 'uses are added up and become receipts when there is room';
}
