import { aimx } from '../../billing/formats/amount.ts';
import { GatewayError } from '../../errors.ts';
import type { EscrowView } from '../../ports/escrow.ts';
import { readChannel } from '../books/channels.ts';
import { openPayments } from '../books/payments.ts';
import { roomFor } from '../signing.ts';
import { type DepositParts, planDeposit } from './deposit.ts';

export interface TopUp {
  /** What to add each time. */
  readonly amount: bigint;
  /** When less than this is left of the escrow. */
  readonly below: bigint;
}

/**
 * Plans a deposit where the escrow runs out: never while another payment of the channel is under way, nor when a limit of the owner
 * leaves nothing to be signed, nor for a channel that was stopped or is being emptied. Answers whether it did. Throws PAYER_ESCROW where the wallet
 * is empty, PAYER_CHAIN.
 */
export async function topUp(
  parts: DepositParts,
  channelId: Uint8Array,
  view: EscrowView,
  { amount, below }: TopUp,
): Promise<boolean> {
  const { books, now } = parts;
  const channel = readChannel(books, channelId);
  const { balance, held, thawing } = view.channel;
  // What a claim asks for may be gone, whatever was checked.
  if (channel.refusal || thawing > 0n || (balance - channel.cumulative >= below && balance - held >= below))
    return false;
  if (openPayments(books).some((payment) => Buffer.compare(payment.channel, channelId) === 0)) return false;
  if (roomFor(books, channel, now()).left === 0n) return false;
  if (view.tokens < amount)
    throw new GatewayError(
      'PAYER_ESCROW',
      `The escrow runs out, and the wallet has less than ${aimx(String(amount))} AIMX to fill it.`,
    );
  await planDeposit(parts, channelId, amount);
  return true;
}
