import type { ChainView } from '../../ports/chain.ts';
import { sameBytes } from '../formats/bytes.ts';
import type { BatchRow, InFlight, Outbox } from './outbox-ops.ts';
import { type FeeRules, isWorth } from './payout-rules.ts';
import type { Payable } from './payouts.ts';

/**
 * What the poster does next: a pure function of what the chain says and what the outbox holds. It can be asked again at
 * any time and after any crash, because nothing it needs lives in memory only.
 */

export interface PosterRules {
  readonly maxReceipts: number;
  /** A batch is posted at the latest this long after its first receipt. */
  readonly maxAgeMs: number;
  /** With a free poster and any receipts, post this long after the last post; undefined: wait for `maxAgeMs`. */
  readonly idleMs: number | undefined;
  /** A transaction that waits longer is replaced. */
  readonly replaceAfterMs: number;
  /** Wei per gas that are never exceeded. */
  readonly maxFee: bigint;
  readonly fees?: FeeRules;
}

/** Monotonic times this process knows; all absent after a start. */
export interface PosterMemory {
  /** When the transaction was first handed to a node by this process. */
  readonly sentAt: number | undefined;
  /** When it was last handed over. */
  readonly repeatedAt: number | undefined;
  /** When a post was last seen to move the head. */
  readonly postedAt: number | undefined;
}

export interface PosterView {
  readonly chain: ChainView;
  readonly outbox: Outbox;
  readonly memory: PosterMemory;
  /** What posting would bring on channels with customers. */
  /** Somebody has asked for a post, whatever it brings. */
  readonly asked?: boolean;
  readonly payable?: Pick<Payable, 'value' | 'forced' | 'spent' | 'inFlight'>;
  /** Wall clock, ms; only for the age of receipts. */
  readonly now: number;
  readonly monotonic: number;
}

export type PosterStep =
  | { readonly do: 'rest' }
  | { readonly do: 'seal'; readonly from: number; readonly to: number }
  | {
      readonly do: 'sign';
      readonly batch: BatchRow;
      readonly nonce: number;
      readonly maxFee: bigint;
      readonly tip: bigint;
      readonly replaces: boolean;
    }
  | { readonly do: 'broadcast'; readonly tx: InFlight }
  /** The chain's head is none of ours: another gateway posts with this key, or the database is an old copy. */
  | { readonly do: 'stop'; readonly reason: 'unknown-head' }
  /** The chain lost what it held for good, and the receipts are no longer kept. */
  | { readonly do: 'stop'; readonly reason: 'receipts-gone' }
  /** Posting would cost more than allowed. */
  | { readonly do: 'stop'; readonly reason: 'fee-cap' | 'fee-budget' };

/** About what a post takes, after a device's first. */
const POST_GAS = 40_000;
/** A transaction that is in no block is handed over again this often, in case the node has dropped it. */
const REPEAT_MS = 5_000;

export function nextStep(view: PosterView, rules: PosterRules): PosterStep {
  const { chain, outbox } = view;
  if (!outbox.knownHead) return { do: 'stop', reason: 'unknown-head' };
  const posted = chain.head.toSeq;
  if (outbox.receipts <= posted) return { do: 'rest' };
  const best = outbox.next[0];
  const wanted = Math.min(outbox.receipts, posted + rules.maxReceipts);
  const whole = outbox.pruned <= posted;
  if (!whole && !best) return { do: 'stop', reason: 'receipts-gone' };
  const seal: PosterStep = { do: 'seal', from: posted + 1, to: wanted };

  const tx = outbox.inFlight;
  if (!tx) {
    if (best) return sign(view, rules, best, null);
    return due(view, rules) ? seal : { do: 'rest' };
  }
  if (!sameBytes(tx.prev_head, chain.head.head)) return best ? sign(view, rules, best, tx) : seal;
  const { sentAt, repeatedAt } = view.memory;
  if (sentAt === undefined || repeatedAt === undefined) return { do: 'broadcast', tx };
  if (view.monotonic - sentAt < rules.replaceAfterMs) {
    return view.monotonic - repeatedAt >= REPEAT_MS ? { do: 'broadcast', tx } : { do: 'rest' };
  }
  if (best && best.to_ordinal > tx.to_ordinal) return sign(view, rules, best, tx);
  if (whole && wanted > tx.to_ordinal) return seal;
  return best ? sign(view, rules, best, tx) : seal;
}

function due(view: PosterView, rules: PosterRules): boolean {
  const { chain, outbox, memory } = view;
  if (outbox.oldestAt === null) return false;
  const { fees } = rules;
  if (view.payable?.forced || view.asked) return true;
  const gasPrice = chain.baseFee + chain.tip;
  if (fees && isWorth(view.payable?.value ?? 0n, POST_GAS, gasPrice, fees)) return true;
  // Where fees are weighed, a full batch waits for a good price too.
  const full = outbox.receipts - chain.head.toSeq >= rules.maxReceipts;
  if (full && fees?.coinPrice === undefined) return true;
  if (view.now - outbox.oldestAt >= rules.maxAgeMs) return true;
  if (rules.idleMs === undefined) return false;
  return memory.postedAt === undefined || view.monotonic - memory.postedAt >= rules.idleMs;
}

/** Nodes ask for 10 % more than the transaction that is replaced, in both fees; 12.5 % is safe with all of them. */
export const bump = (fee: bigint): bigint => (fee * 1125n + 999n) / 1000n;

function sign(view: PosterView, rules: PosterRules, batch: BatchRow, replaced: InFlight | null): PosterStep {
  const { chain } = view;
  let tip = chain.tip;
  let maxFee = chain.baseFee * 2n + tip;
  // Whatever has this nonce is replaced, also a payout.
  const other = replaced ?? view.payable?.inFlight ?? null;
  if (other) {
    tip = greater(tip, bump(BigInt(other.tip)));
    maxFee = greater(greater(maxFee, bump(BigInt(other.max_fee))), tip);
  }
  if (maxFee > rules.maxFee) {
    const least = other ? bump(BigInt(other.max_fee)) : 0n;
    const enough = greater(chain.baseFee + tip, least);
    if (enough > rules.maxFee) return { do: 'stop', reason: 'fee-cap' };
    maxFee = rules.maxFee;
  }
  const { payable, chain: now } = view;
  const budget = rules.fees?.dailyBudget;
  if (budget !== undefined && !replaced && !payable?.forced) {
    const cost = BigInt(POST_GAS) * (now.baseFee + tip);
    if ((payable?.spent ?? 0n) + cost > budget) return { do: 'stop', reason: 'fee-budget' };
  }
  return { do: 'sign', batch, nonce: chain.nonce, maxFee, tip, replaces: replaced !== null };
}

export const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b);
