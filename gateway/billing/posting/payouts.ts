import type { Chain, ChainAnswer, ChainView, Signer } from '../../ports/chain.ts';
import type { AcknowledgedRow, ChannelLedger, PayoutAction } from '../../ports/channel-ledger.ts';
import type { Clock } from '../../ports/clock.ts';
import type { BookKey } from '../book-rows.ts';
import type { ChannelRecord } from '../channels/channel-ops.ts';
import { NO_ESCROW, parseEscrow } from '../channels/rows.ts';
import { toHex } from '../formats/bytes.ts';
import { readCeiling, readConfig, readStatement } from '../formats/wire.ts';
import type { PayoutMinedArgs, PayoutRow, PayoutSignedArgs, PayoutState } from './payout-ops.ts';
import { isForced, nextPayout, type PayoutChannel, type PayoutRules, settlement } from './payout-rules.ts';
import type { BillingStore } from './poster.ts';
import { bump, greater } from './poster-rules.ts';

export interface PayoutsParts {
  readonly store: BillingStore;
  readonly chain: Chain;
  readonly ledger: ChannelLedger;
  readonly signer: Signer;
  readonly book: BookKey;
  readonly clock: Clock;
  readonly rules: PayoutRules;
  /** Wei per gas that are never exceeded. */
  readonly maxFee: bigint;
  readonly replaceAfterMs: number;
}

/** What the money on channels says about posting now. */
export interface Payable {
  /** Rows for the next batch, and what they pay. */
  readonly rows: readonly AcknowledgedRow[];
  readonly value: bigint;
  /** A payer takes money back that was earned. */
  readonly forced: boolean;
  /** Wei spent on fees in the last 24 hours. */
  readonly spent: bigint;
  /** A payout that is under way with the present nonce. */
  readonly inFlight: PayoutRow | null;
}

export type PayoutStep =
  | { readonly kind: 'rest' }
  /** Something was stored: look at the chain again. */
  | { readonly kind: 'again' }
  | { readonly kind: 'sent'; readonly hash: Uint8Array }
  | { readonly kind: 'stopped'; readonly reason: 'fee-cap' | 'fee-budget' }
  | { readonly kind: 'unavailable'; readonly code: string; readonly reason: string };

const DAY_MS = 86_400_000;
const REPEAT_MS = 5_000;
const DEV_CHAIN = 31337;

/** Collects money from channels: settles, claims and releases. Each transaction is stored before it is sent, and one is under way at a time. */
export class Payouts {
  readonly #parts: PayoutsParts;
  readonly #handed = new Map<string, { sentAt: number; repeatedAt: number }>();
  #nonce = -1;
  #channels: readonly PayoutChannel[] = [];
  #state: PayoutState = { inFlight: null, unnoted: [], spent: '0' };

  constructor(parts: PayoutsParts) {
    this.#parts = parts;
  }

  /** Looks at the channels as they were seen last. */
  async look(view: ChainView): Promise<Payable> {
    const { store, book, clock } = this.#parts;
    if (view.nonce !== this.#nonce) this.#handed.clear();
    this.#nonce = view.nonce;
    const args = { book, nonce: view.nonce, since: clock.now() - DAY_MS };
    this.#state = await store.query<PayoutState>('billing.payoutState', args);
    await this.#note(this.#state.unnoted);
    const found = await store.query<{ channels: ChannelRecord[] } | null>('billing.customers', { book });
    this.#channels = (found?.channels ?? []).map(channelOf);
    return {
      ...settlement(this.#channels),
      forced: isForced(this.#channels, this.#chainTime(view)),
      spent: BigInt(this.#state.spent),
      inFlight: this.#state.inFlight,
    };
  }

  /** Takes one step with what {@link look} saw. @param asked whether somebody asked for whatever can be collected */
  async step(view: ChainView, asked = false): Promise<PayoutStep> {
    const { clock, replaceAfterMs } = this.#parts;
    const { inFlight } = this.#state;
    if (!inFlight) return this.#begin(view, undefined, asked);
    const handed = this.#handed.get(toHex(inFlight.hash));
    const now = clock.monotonic();
    if (!handed) return this.#broadcast(inFlight);
    if (now - handed.sentAt < replaceAfterMs)
      return now - handed.repeatedAt >= REPEAT_MS ? this.#broadcast(inFlight) : { kind: 'rest' };
    const next = await this.#begin(view, inFlight, asked);
    // Nothing is wanted any more: the old one still has to give its nonce free.
    return next.kind === 'rest' && now - handed.repeatedAt >= REPEAT_MS ? this.#broadcast(inFlight) : next;
  }

  /** Whether the ledger would take it now; what it says otherwise. */
  async refusal(action: PayoutAction): Promise<ChainAnswer<string | null>> {
    return this.#parts.ledger.check(action, this.#parts.signer.address);
  }

  async #begin(view: ChainView, replaced: PayoutRow | undefined, asked: boolean): Promise<PayoutStep> {
    const { ledger, maxFee, clock, signer, store, book } = this.#parts;
    const { rules: normal } = this.#parts;
    const rules = asked ? { ...normal, maxAgeMs: 0, claimAfterMs: 0 } : normal;
    const payout = nextPayout(
      {
        ...{ channels: this.#channels, now: clock.now(), chainTime: this.#chainTime(view) },
        gasPrice: view.baseFee + view.tip,
        gasOf: (action) => ledger.gasOf(action),
      },
      rules,
    );
    if (!payout) return { kind: 'rest' };
    const { action, forced } = payout;
    const tip = greater(view.tip, replaced ? bump(BigInt(replaced.tip)) : 0n);
    let fee = greater(view.baseFee * 2n + tip, replaced ? bump(BigInt(replaced.max_fee)) : 0n);
    if (fee > maxFee) {
      const least = greater(view.baseFee + tip, replaced ? bump(BigInt(replaced.max_fee)) : 0n);
      if (least > maxFee) return { kind: 'stopped', reason: 'fee-cap' };
      fee = maxFee;
    }
    const { dailyBudget } = rules.fees;
    const most = BigInt(ledger.gasOf(action)) * (view.baseFee + tip);
    if (!forced && dailyBudget !== undefined && BigInt(this.#state.spent) + most > dailyBudget)
      return { kind: 'stopped', reason: 'fee-budget' };
    // What somebody else has settled meanwhile, or a token refuses, would only burn gas.
    const refused = await ledger.check(action, signer.address);
    if (!refused.ok) return { kind: 'unavailable', code: refused.code, reason: refused.reason };
    if (refused.value !== null) return { kind: 'rest' };
    const { raw, hash } = ledger.sign(action, { nonce: view.nonce, maxFee: fee, tip }, signer);
    const args: PayoutSignedArgs = {
      ...{ book, hash, raw, nonce: view.nonce, action: action.kind },
      ...{ maxFee: String(fee), tip: String(tip), now: clock.now() },
    };
    await store.commit({ ops: [{ op: 'billing.payoutSigned', args }] });
    return { kind: 'again' };
  }

  async #broadcast(tx: PayoutRow): Promise<PayoutStep> {
    const { chain, store, clock } = this.#parts;
    const answer = await chain.broadcast(tx.raw);
    const key = toHex(tx.hash);
    const at = clock.monotonic();
    if (answer.ok) {
      this.#handed.set(key, { sentAt: this.#handed.get(key)?.sentAt ?? at, repeatedAt: at });
      if (tx.sent_at === null)
        await store.commit({
          ops: [{ op: 'billing.payoutSent', args: { hash: tx.hash, now: clock.now() } }],
        });
      return { kind: 'sent', hash: tx.hash };
    }
    if (answer.code === 'underpriced')
      this.#handed.set(key, { sentAt: Number.NEGATIVE_INFINITY, repeatedAt: at });
    if (answer.code === 'nonce' || answer.code === 'underpriced') return { kind: 'again' };
    return { kind: 'unavailable', code: answer.code, reason: answer.reason };
  }

  async #note(rows: readonly PayoutRow[]): Promise<void> {
    const { chain, store } = this.#parts;
    for (const { hash, nonce } of rows) {
      const outcome = await chain.outcome(hash);
      if (!outcome.ok) continue;
      const { block, gasUsed, gasPrice, succeeded } = outcome.value ?? NOTHING;
      // A node may lag behind itself: only when later nonces are used too, another one has taken this nonce.
      if (!outcome.value && nonce + 1 >= this.#nonce) continue;
      const args: PayoutMinedArgs = {
        ...{ hash, block, gasUsed, succeeded },
        gasPrice: gasPrice === undefined ? null : String(gasPrice),
      };
      await store.commit({ ops: [{ op: 'billing.payoutMined', args }] });
    }
  }

  /** A chain for development has a block only when there is something in it; the next one's time is that of the clock. */
  #chainTime({ time = 0 }: ChainView): number {
    const { chain, clock } = this.#parts;
    return chain.chainId === DEV_CHAIN ? Math.max(time, Math.floor(clock.now() / 1000)) : time;
  }
}

const NOTHING = { block: 0, gasUsed: 0, gasPrice: undefined, succeeded: false };

function channelOf(record: ChannelRecord): PayoutChannel {
  const { head_seq: seq, head_hash: receiptHash, head_cumulative, head_signature: signature } = record;
  return {
    id: toHex(record.channel_id),
    terms: readConfig(JSON.parse(record.config)),
    latest: record.latest === null ? NO_ESCROW : parseEscrow(record.latest),
    ceiling: record.ceiling === null ? undefined : readCeiling(JSON.parse(record.ceiling)),
    ack: record.ack === null ? undefined : readStatement(JSON.parse(record.ack), 'ack'),
    ackAt: record.ack_at ?? 0,
    newestAt: record.newest_at ?? 0,
    head:
      seq === null || !receiptHash || head_cumulative === null || !signature
        ? undefined
        : { seq, cumulative: BigInt(head_cumulative), receiptHash, signature },
  };
}
