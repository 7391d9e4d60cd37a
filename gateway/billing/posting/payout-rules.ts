import type { AcknowledgedRow, PayoutAction } from '../../ports/channel-ledger.ts';
import type { EscrowState, EscrowTerms } from '../../ports/escrow.ts';
import type { SignedCeiling, SignedStatement } from '../formats/wire.ts';

/**
 * What money can be had from the ledger, and whether it is worth the fee now: pure functions of what the ledger and the payers say. They may
 * be asked again at any time: what is paid already pays nothing more, so nothing here can happen twice.
 */

export interface PayoutRules {
  readonly fees: FeeRules;
  /** What waits longer is settled whatever it costs, ms. */
  readonly maxAgeMs: number;
  /** What a payer does not acknowledge for this long is claimed, ms. */
  readonly claimAfterMs: number;
  /** Time to claim before a ceiling expires, ms. */
  readonly expiryMs: number;
  /** On chains where fees are nothing, settle as soon as this has passed; undefined: wait for the fee or the age. */
  readonly idleMs: number | undefined;
}

export interface FeeRules {
  /** What 10¹⁸ wei cost in the token's smallest unit; undefined: fees are not weighed. */
  readonly coinPrice: bigint | undefined;
  /** Part of what is earned that a fee may be, in millionths. */
  readonly sharePpm: bigint;
  /** Wei in 24 hours; undefined: no budget. */
  readonly dailyBudget: bigint | undefined;
}

export interface PayoutChannel {
  readonly id: string;
  readonly terms: EscrowTerms;
  readonly latest: EscrowState;
  readonly ceiling: SignedCeiling | undefined;
  readonly ack: SignedStatement | undefined;
  /** When the acknowledgement came, epoch ms. */
  readonly ackAt: number;
  readonly head: SignedStatement | undefined;
  /** When the newest receipt was stored, epoch ms. */
  readonly newestAt: number;
}

export interface PayoutView {
  readonly channels: readonly PayoutChannel[];
  /** Epoch ms. */
  readonly now: number;
  /** Seconds, by the chain. */
  readonly chainTime: number;
  /** Wei a unit of gas costs now. */
  readonly gasPrice: bigint;
  gasOf(action: PayoutAction): number;
}

export interface Payout {
  readonly action: PayoutAction;
  /** What it pays, or secures. */
  readonly value: bigint;
  /** Money would be lost by waiting: fees count only against the value, and no budget does. */
  readonly forced: boolean;
}

/** Rows in one transaction: a block has room for many more, but a payout must not wait for an empty one. */
const MAX_ROWS = 40;
const COIN = 10n ** 18n;
const PPM = 1_000_000n;
/** A claim must be in a block before its ceiling expires. */
const CLAIM_TIME = 30;

/** What a payer announced to take back, and the provider has not collected yet, counts now. */
const isThawing = ({ latest }: PayoutChannel): boolean => latest.thawing > 0n;

/** What settling a channel pays now. */
export function settleable({ ack, latest }: PayoutChannel): bigint {
  const to = lesser(ack?.cumulative ?? 0n, latest.balance);
  return to > latest.paid ? to - latest.paid : 0n;
}

/** What a claim would hold beyond what is paid, held or acknowledged. */
export function claimable({ head, ceiling, ack, latest }: PayoutChannel, chainTime: number): bigint {
  if (!head || !ceiling || head.seq <= latest.heldSeq || head.cumulative > ceiling.maxCumulative) return 0n;
  if (ceiling.validUntil <= chainTime + CLAIM_TIME) return 0n;
  const to = lesser(head.cumulative, latest.balance);
  const known = greater(greater(latest.paid, latest.held), lesser(ack?.cumulative ?? 0n, latest.balance));
  return to > known ? to - known : 0n;
}

/** What acknowledgements pay, of the provider and token that get most; the largest first. */
export function settlement(channels: readonly PayoutChannel[]): {
  readonly rows: readonly AcknowledgedRow[];
  readonly value: bigint;
} {
  const due = channels.filter((channel) => settleable(channel) > 0n);
  const groups = Map.groupBy(due, ({ terms }) => `${terms.provider} ${terms.token}`.toLowerCase());
  const sum = (group: readonly PayoutChannel[]): bigint =>
    group.reduce((total, channel) => total + settleable(channel), 0n);
  let best: readonly PayoutChannel[] = [];
  for (const group of groups.values()) if (sum(group) > sum(best)) best = group;
  const chosen = [...best].sort((a, b) => compare(settleable(b), settleable(a))).slice(0, MAX_ROWS);
  const rows = chosen.map(({ terms, ack }): AcknowledgedRow => ({ terms, ...ack! }));
  return { rows, value: sum(chosen) };
}

/** Whether a payer takes money back that was earned: then everything goes out at once. */
export const isForced = (channels: readonly PayoutChannel[], chainTime: number): boolean =>
  channels.some(
    (channel) => isThawing(channel) && (settleable(channel) > 0n || claimable(channel, chainTime) > 0n),
  );

/** What a fee is in the token's smallest unit; 0 when coins have no known price. */
export const feeOf = (gas: number, gasPrice: bigint, { coinPrice }: FeeRules): bigint =>
  coinPrice === undefined ? 0n : (BigInt(gas) * gasPrice * coinPrice) / COIN;

/** Whether a fee is a small enough part of what it earns. Without a price of coins nothing is known to be worth it. */
export const isWorth = (value: bigint, gas: number, gasPrice: bigint, fees: FeeRules): boolean =>
  fees.coinPrice !== undefined && value > 0n && feeOf(gas, gasPrice, fees) * PPM <= value * fees.sharePpm;

/** The most urgent payout that is due; undefined when none is. */
export function nextPayout(view: PayoutView, rules: PayoutRules): Payout | undefined {
  const { channels, gasPrice } = view;
  const { fees } = rules;
  const pays = ({ action, value }: Payout): boolean =>
    fees.coinPrice === undefined || value > feeOf(view.gasOf(action), gasPrice, fees);
  const worth = ({ action, value }: Payout): boolean => isWorth(value, view.gasOf(action), gasPrice, fees);

  const claims = channels.flatMap((channel) => claimOf(channel, view, rules));
  const urgent = claims.filter(({ forced }) => forced).filter(pays);
  if (urgent.length > 0) return most(urgent);

  const { rows, value } = settlement(channels);
  if (rows.length > 0) {
    const forced = channels.some((channel) => isThawing(channel) && settleable(channel) > 0n);
    const settle: Payout = { action: { kind: 'settle', rows }, value, forced };
    const age = view.now - Math.min(...channels.filter((c) => settleable(c) > 0n).map((c) => c.ackAt));
    const due = forced || age >= rules.maxAgeMs || (rules.idleMs !== undefined && age >= rules.idleMs);
    if ((due && pays(settle)) || worth(settle)) return settle;
  }

  const releases = channels.flatMap((channel) => releaseOf(channel, view)).filter(pays);
  const late = (c: PayoutChannel): boolean => view.chainTime - c.latest.releaseAt >= rules.maxAgeMs / 1000;
  if (releases.length > 0) {
    const release = most(releases);
    if (fees.coinPrice === undefined || worth(release) || channels.some(late)) return release;
  }
  // A claim that waits would begin to wait anew.
  const calm = claims.filter(({ forced }) => !forced).filter(pays);
  return calm.length > 0 ? most(calm) : undefined;
}

function claimOf(channel: PayoutChannel, view: PayoutView, rules: PayoutRules): Payout[] {
  const { terms, head, ceiling, latest } = channel;
  const value = claimable(channel, view.chainTime);
  if (value === 0n || !head || !ceiling) return [];
  const { maxCumulative, validUntil, signature } = ceiling;
  const action: PayoutAction = { kind: 'claim', terms, head, maxCumulative, validUntil, signature };
  const expires = validUntil * 1000 - view.now <= rules.expiryMs;
  const forced = isThawing(channel) || expires;
  const since = Math.max(channel.ackAt, 0);
  const waited = view.now - (since || channel.newestAt) >= rules.claimAfterMs;
  return forced || (latest.held <= latest.paid && waited) ? [{ action, value, forced }] : [];
}

function releaseOf({ terms, latest }: PayoutChannel, { chainTime }: PayoutView): Payout[] {
  if (latest.held <= latest.paid || chainTime < latest.releaseAt) return [];
  return [{ action: { kind: 'release', terms }, value: latest.held - latest.paid, forced: false }];
}

const most = (payouts: readonly Payout[]): Payout =>
  payouts.reduce((best, payout) => (payout.value > best.value ? payout : best));
const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
