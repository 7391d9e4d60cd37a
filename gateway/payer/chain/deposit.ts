import { randomUUID } from 'node:crypto';
import { digest, hashStruct, type Types } from '../../billing/formats/typed-data.ts';
import { GatewayError } from '../../errors.ts';
import type { Signer } from '../../ports/chain.ts';
import type { Escrow } from '../../ports/escrow.ts';
import type { Books } from '../books/books.ts';
import { readChannel } from '../books/channels.ts';
import { planPayment } from '../books/payments.ts';

const PERMIT: Types = {
  Permit: [
    { name: 'owner', type: 'address' },
    { name: 'spender', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
  ],
};
const PERMIT_VALID_S = 24 * 3600;

export interface DepositParts {
  readonly books: Books;
  readonly escrow: Escrow;
  readonly wallet: Signer;
  readonly now: () => number;
}

/**
 * Plans a deposit: with a permit (one transaction) where the token has permits, else with an approval before it. A permit that
 * somebody else uses first spoils nothing. Answers the key of the payment to wait for. Throws PAYER_CHAIN when the chain
 * cannot be asked, PAYER_PAYMENT for a token without permits where one was demanded.
 */
export async function planDeposit(
  { books, escrow, wallet, now }: DepositParts,
  channelId: Uint8Array,
  amount: bigint,
  how: 'auto' | 'permit' | 'approve' = 'auto',
): Promise<string> {
  const { terms } = readChannel(books, channelId);
  const key = `deposit/${randomUUID()}`;
  const looked = await escrow.look(channelId, terms);
  if (!looked.ok) throw new GatewayError('PAYER_CHAIN', `The chain cannot be asked: ${looked.reason}`);
  // By the chain's clock: this machine's may be wrong.
  const { time } = looked.value;
  const permitted =
    how === 'approve' ? undefined : await permitFor(escrow, wallet, terms.token, amount, time);
  if (permitted) {
    planPayment(books, channelId, key, { kind: 'permit-deposit', terms, amount, ...permitted }, now());
    return key;
  }
  if (how === 'permit')
    throw new GatewayError('PAYER_PAYMENT', `The token ${terms.token} has no permits.`, {
      fix: 'Leave --permit out: an approval is sent first then.',
    });
  books.transaction(() => {
    planPayment(books, channelId, `approve/${key}`, { kind: 'approve', token: terms.token, amount }, now());
    planPayment(books, channelId, key, { kind: 'deposit', terms, amount }, now());
  });
  return key;
}

async function permitFor(
  escrow: Escrow,
  wallet: Signer,
  token: string,
  value: bigint,
  time: number,
): Promise<{ readonly deadline: number; readonly permit: Uint8Array } | undefined> {
  const state = await escrow.permitState(token, wallet.address);
  if (!state.ok) throw new GatewayError('PAYER_CHAIN', `The chain cannot be asked: ${state.reason}`);
  if (!state.value) return undefined;
  const deadline = time + PERMIT_VALID_S;
  const { separator, nonce } = state.value;
  const permit = { owner: wallet.address, spender: escrow.ledger, value, nonce, deadline };
  return { deadline, permit: wallet.sign(digest(separator, hashStruct('Permit', PERMIT, permit))) };
}
