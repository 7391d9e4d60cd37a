import type { Chain, ChainView } from '../../ports/chain.ts';
import type { Clock } from '../../ports/clock.ts';
import type { BookKey } from '../book-rows.ts';
import { toHex } from '../formats/bytes.ts';
import type { PayoutMinedArgs, PayoutRow, PayoutSignedArgs, PayoutState } from './payout-ops.ts';
import type { BillingStore } from './poster.ts';
import { bump, greater } from './poster-rules.ts';

export interface TxLaneParts {
  readonly store: BillingStore;
  readonly chain: Chain;
  readonly book: BookKey;
  readonly clock: Clock;
  /** Wei per gas that are never exceeded. */
  readonly maxFee: bigint;
  readonly replaceAfterMs: number;
}

export type LaneStep =
  | { readonly kind: 'rest' }
  /** Something was stored: look at the chain again. */
  | { readonly kind: 'again' }
  | { readonly kind: 'sent'; readonly hash: Uint8Array }
  | { readonly kind: 'unavailable'; readonly code: string; readonly reason: string };

const DAY_MS = 86_400_000;
const REPEAT_MS = 5_000;

/** Transactions without a batch: one at a time, stored before it is sent, sent again while it is in no block, replaced when it is stuck. */
export class TxLane {
  readonly #parts: TxLaneParts;
  readonly #handed = new Map<string, { sentAt: number; repeatedAt: number }>();
  #nonce = -1;

  constructor(parts: TxLaneParts) {
    this.#parts = parts;
  }

  async look(view: ChainView): Promise<PayoutState> {
    const { store, book, clock } = this.#parts;
    if (view.nonce !== this.#nonce) this.#handed.clear();
    this.#nonce = view.nonce;
    const args = { book, nonce: view.nonce, since: clock.now() - DAY_MS };
    const state = await store.query<PayoutState>('billing.payoutState', args);
    await this.#note(state.unnoted);
    return state;
  }

  /** What the transaction under way needs. */
  needs(tx: PayoutRow): 'send' | 'patience' | 'replacement' {
    const handed = this.#handed.get(toHex(tx.hash));
    const now = this.#parts.clock.monotonic();
    if (!handed) return 'send';
    if (now - handed.sentAt >= this.#parts.replaceAfterMs) return 'replacement';
    return this.isDue(tx) ? 'send' : 'patience';
  }

  /** Whether it is time to hand it over once more, in case the node has dropped it. */
  isDue(tx: PayoutRow): boolean {
    const handed = this.#handed.get(toHex(tx.hash));
    return !handed || this.#parts.clock.monotonic() - handed.repeatedAt >= REPEAT_MS;
  }

  /** Wei per gas for the next transaction, or for one that replaces another; undefined above the cap. */
  fee(view: ChainView, replaced: PayoutRow | undefined): { maxFee: bigint; tip: bigint } | undefined {
    const floor = replaced ? bump(BigInt(replaced.max_fee)) : 0n;
    const tip = greater(view.tip, replaced ? bump(BigInt(replaced.tip)) : 0n);
    const cap = this.#parts.maxFee;
    const wanted = greater(view.baseFee * 2n + tip, floor);
    if (wanted <= cap) return { maxFee: wanted, tip };
    return greater(view.baseFee + tip, floor) > cap ? undefined : { maxFee: cap, tip };
  }

  /** Keeps a signed transaction: it may be sent from then on. */
  async keep(
    action: string,
    nonce: number,
    { maxFee, tip }: { maxFee: bigint; tip: bigint },
    { raw, hash }: { raw: Uint8Array; hash: Uint8Array },
  ): Promise<LaneStep> {
    const { store, book, clock } = this.#parts;
    const args: PayoutSignedArgs = {
      ...{ book, hash, raw, nonce, action, maxFee: String(maxFee), tip: String(tip), now: clock.now() },
    };
    await store.commit({ ops: [{ op: 'billing.payoutSigned', args }] });
    return { kind: 'again' };
  }

  async broadcast(tx: PayoutRow): Promise<LaneStep> {
    const { chain, store, clock } = this.#parts;
    const answer = await chain.broadcast(tx.raw);
    const key = toHex(tx.hash);
    const at = clock.monotonic();
    if (answer.ok) {
      this.#handed.set(key, { sentAt: this.#handed.get(key)?.sentAt ?? at, repeatedAt: at });
      const args = { hash: tx.hash, now: clock.now() };
      if (tx.sent_at === null) await store.commit({ ops: [{ op: 'billing.payoutSent', args }] });
      return { kind: 'sent', hash: tx.hash };
    }
    // Something with this nonce pays as much: replace it in the next step, as if it had waited long enough.
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
      const price = gasPrice === undefined ? null : String(gasPrice);
      const args: PayoutMinedArgs = { hash, block, gasUsed, succeeded, gasPrice: price };
      await store.commit({ ops: [{ op: 'billing.payoutMined', args }] });
    }
  }
}

const NOTHING = { block: 0, gasUsed: 0, gasPrice: undefined, succeeded: false };
