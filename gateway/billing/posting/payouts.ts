import type { Chain, ChainAnswer, ChainView, Signer } from '../../ports/chain.ts';
import type { AcknowledgedRow, ChannelLedger, PayoutAction } from '../../ports/channel-ledger.ts';
import type { Clock } from '../../ports/clock.ts';
import type { BookKey } from '../book-rows.ts';
import type { ChannelRecord } from '../channels/channel-queries.ts';
import { NO_ESCROW, parseEscrow } from '../channels/rows.ts';
import { toHex } from '../formats/bytes.ts';
import { readCeiling, readConfig, readStatement } from '../formats/wire.ts';
import type { PayoutRow, PayoutState } from './payout-ops.ts';
import { isForced, nextPayout, type PayoutChannel, type PayoutRules, settlement } from './payout-rules.ts';
import type { BillingStore } from './poster.ts';
import { type LaneStep, TxLane } from './tx-lane.ts';

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

export type PayoutStep = LaneStep | { readonly kind: 'stopped'; readonly reason: 'fee-cap' | 'fee-budget' };

const DEV_CHAIN = 31337;
/** Channels are read again after this long for each of them, so that reading takes the same small part of the time with many. */
const READ_MS = 10;

/** Collects money from channels: settles, claims and releases. Each transaction is stored before it is sent, and one is under way at a time. */
export class Payouts {
  readonly #parts: PayoutsParts;
  readonly #lane: TxLane;
  #channels: readonly PayoutChannel[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  #state: PayoutState = { inFlight: null, unnoted: [], newestAt: null, spent: '0' };

  constructor(parts: PayoutsParts) {
    this.#parts = parts;
    this.#lane = new TxLane(parts);
  }

  /** Looks at the channels as they were seen last. */
  async look(view: ChainView): Promise<Payable> {
    const { store, book, clock } = this.#parts;
    this.#state = await this.#lane.look(view);
    const now = clock.monotonic();
    if (now - this.#readAt >= this.#channels.length * READ_MS) {
      const found = await store.query<{ channels: ChannelRecord[] } | null>('billing.customers', { book });
      this.#channels = (found?.channels ?? []).map(channelOf);
      this.#readAt = now;
    }
    return {
      ...settlement(this.#channels),
      forced: isForced(this.#channels, this.#chainTime(view)),
      spent: BigInt(this.#state.spent),
      inFlight: this.#state.inFlight,
    };
  }

  /** Takes one step with what {@link look} saw. @param asked whether somebody asked for whatever can be collected */
  async step(view: ChainView, asked = false): Promise<PayoutStep> {
    const { inFlight } = this.#state;
    if (!inFlight) return this.#begin(view, undefined, asked);
    const needs = this.#lane.needs(inFlight);
    if (needs === 'send') return this.#lane.broadcast(inFlight);
    if (needs === 'patience') return { kind: 'rest' };
    const next = await this.#begin(view, inFlight, asked);
    // Nothing is wanted any more: the old one still has to give its nonce free.
    return next.kind === 'rest' && this.#lane.isDue(inFlight) ? this.#lane.broadcast(inFlight) : next;
  }

  /** Whether the ledger would take it now; what it says otherwise. */
  async refusal(action: PayoutAction): Promise<ChainAnswer<string | null>> {
    return this.#parts.ledger.check(action, this.#parts.signer.address);
  }

  async #begin(view: ChainView, replaced: PayoutRow | undefined, asked: boolean): Promise<PayoutStep> {
    const { ledger, clock, signer } = this.#parts;
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
    const fee = this.#lane.fee(view, replaced);
    if (!fee) return { kind: 'stopped', reason: 'fee-cap' };
    const { dailyBudget } = rules.fees;
    const most = BigInt(ledger.gasOf(action)) * (view.baseFee + fee.tip);
    if (!forced && dailyBudget !== undefined && BigInt(this.#state.spent) + most > dailyBudget)
      return { kind: 'stopped', reason: 'fee-budget' };
    // What somebody else has settled meanwhile, or a token refuses, would only burn gas.
    const refused = await ledger.check(action, signer.address);
    if (!refused.ok) return { kind: 'unavailable', code: refused.code, reason: refused.reason };
    if (refused.value !== null) return { kind: 'rest' };
    const signed = ledger.sign(action, { nonce: view.nonce, ...fee }, signer);
    return this.#lane.keep(action.kind, view.nonce, fee, signed);
  }

  /** A chain for development has a block only when there is something in it; the next one's time is that of the clock. */
  #chainTime({ time = 0 }: ChainView): number {
    const { chain, clock } = this.#parts;
    return chain.chainId === DEV_CHAIN ? Math.max(time, Math.floor(clock.now() / 1000)) : time;
  }
}

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
