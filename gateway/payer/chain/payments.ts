import type { ChainAnswer, Outcome, Signer } from '../../ports/chain.ts';
import type { Escrow, EscrowView } from '../../ports/escrow.ts';
import type { Books } from '../books/books.ts';
import { noteEscrow, noteIncident, readChannel } from '../books/channels.ts';
import {
  addTransaction,
  forgetTransactions,
  noteMined,
  openPayments,
  type Payment,
  type PaymentTransaction,
  setPayment,
  transactionsOf,
} from '../books/payments.ts';

/**
 * The wallet's transactions: each payment is made once, across kills, lost answers, dropped transactions and
 * reorganisations. A transaction is stored before it is sent; the nonce is the chain's; a stuck one is replaced at its
 * nonce by the same payment at a higher fee, so that only one of them can ever be mined.
 */

export interface PaymentsOptions {
  readonly books: Books;
  readonly escrow: Escrow;
  readonly wallet: Signer;
  readonly now: () => number;
  /** The most that a gas may cost, in wei. */
  readonly maxFee: bigint;
}

/** A challenge may cost so much more a gas than other payments. */
const URGENT = 10n;

const isChallenge = ({ action }: Payment): boolean => action.kind === 'challenge';

/** How long a transaction may wait before it is replaced by one that pays more, ms. */
const STUCK_MS = 60_000;

export type Round =
  /** All payments are final or failed. */
  | { readonly kind: 'done' }
  | { readonly kind: 'waits'; readonly payment: Payment; readonly why: string }
  | { readonly kind: 'unreachable'; readonly reason: string };

/** One step for all payments that are not over. What it finds is in the books; call it again until it is `done`. */
export async function paymentRound(options: PaymentsOptions): Promise<Round> {
  const { books } = options;
  const open = openPayments(books).filter(({ channel }) => {
    const { chainId, ledger } = readChannel(books, channel);
    return chainId === options.escrow.chainId && ledger === options.escrow.ledger;
  });
  // A dispute ends: nothing that waits may stand in a challenge's way.
  open.sort((a, b) => Number(isChallenge(b)) - Number(isChallenge(a)) || a.id - b.id);
  let waits: Round | undefined;
  for (const payment of open) {
    const step = await stepOf(options, payment, waits !== undefined);
    if (step.kind === 'unreachable') return step;
    if (step.kind === 'waits') {
      waits ??= step;
      // One in flight: the next would need a nonce that depends on this one.
      if (step.payment.state !== 'MINED') return step;
    }
  }
  return waits ?? { kind: 'done' };
}

/** @param after whether an earlier payment is not final yet, which this one may build on */
async function stepOf(options: PaymentsOptions, payment: Payment, after: boolean): Promise<Round> {
  const { books, escrow } = options;
  const { terms } = readChannel(books, payment.channel);
  const looked = await escrow.look(payment.channel, terms);
  if (!looked.ok) return { kind: 'unreachable', reason: looked.reason };
  const view = looked.value;
  noteEscrow(books, payment.channel, view.channel, options.now());
  const transactions = transactionsOf(books, payment.id);
  for (const tx of transactions) {
    const outcome = await escrow.outcome(tx.hash);
    if (!outcome.ok) return { kind: 'unreachable', reason: outcome.reason };
    noteMined(books, tx.hash, outcome.value);
    if (outcome.value) return mined(options, payment, view, outcome.value);
  }
  const newest = transactions[0];
  if (!newest) {
    const problem = obstacle(payment, view);
    if (problem && after) return { kind: 'waits', payment, why: `${problem} yet` };
    if (!problem) return await signAndSend(options, payment, view, undefined);
    fail(options, payment, problem);
    return { kind: 'done' };
  }
  if (view.finalNonce > newest.nonce) {
    // For good: somebody else has used the nonce, so none of ours can be mined.
    forgetTransactions(books, payment.id);
    return {
      kind: 'waits',
      payment: { ...payment, state: 'PLANNED' },
      why: 'another transaction came first',
    };
  }
  setPayment(books, payment.id, 'SENT');
  if (options.now() - newest.signedAt > STUCK_MS) return await signAndSend(options, payment, view, newest);
  return await send(options, payment, newest);
}

/** In the chain; final once no reorganisation can take it back. */
function mined(options: PaymentsOptions, payment: Payment, view: EscrowView, outcome: Outcome): Round {
  const { books } = options;
  const { block, succeeded } = outcome;
  const final = block <= view.finalBlock;
  if (!final) {
    setPayment(books, payment.id, 'MINED', succeeded ? undefined : 'reverted');
    const why = `in block ${block}; final at ${view.finalBlock}`;
    return { kind: 'waits', payment: { ...payment, state: 'MINED' }, why };
  }
  if (succeeded) setPayment(books, payment.id, 'FINAL');
  else fail(options, payment, `the transaction in block ${block} was reverted`);
  return { kind: 'done' };
}

function fail({ books, now }: PaymentsOptions, payment: Payment, reason: string): void {
  books.transaction(() => {
    setPayment(books, payment.id, 'FAILED', reason);
    noteIncident(books, payment.channel, 'payment', `${payment.key}: ${reason}`, now());
  });
}

async function signAndSend(
  options: PaymentsOptions,
  payment: Payment,
  view: EscrowView,
  replaced: PaymentTransaction | undefined,
): Promise<Round> {
  const { books, escrow, wallet, now } = options;
  const cap = options.maxFee * (isChallenge(payment) ? URGENT : 1n);
  let tip = raised(view.tip, replaced?.tip);
  const wanted = raised(view.baseFee * 2n + view.tip, replaced?.maxFee);
  if (wanted > cap && view.baseFee + tip > cap) {
    const why = `a gas costs ${view.baseFee + tip} wei now, more than the ${cap} allowed`;
    return { kind: 'waits', payment, why };
  }
  const maxFee = wanted < cap || replaced ? wanted : cap;
  const nonce = replaced?.nonce ?? view.nonce;
  if (tip > maxFee) tip = maxFee;
  const terms = { nonce, maxFee, tip };
  const { raw, hash } = escrow.sign(payment.action, terms, wallet);
  const tx: PaymentTransaction = {
    ...{ raw, hash, ...terms, signedAt: now(), block: undefined, gasUsed: undefined },
  };
  if (!addTransaction(books, payment.id, tx, now())) return { kind: 'waits', payment, why: 'sent elsewhere' };
  return await send(options, payment, tx);
}

/** Nodes take a replacement that pays at least 10 % more. */
const raised = (present: bigint, before: bigint | undefined): bigint => {
  const least = before === undefined ? 0n : (before * 9n) / 8n + 1n;
  return present > least ? present : least;
};

async function send(options: PaymentsOptions, payment: Payment, tx: PaymentTransaction): Promise<Round> {
  const sent: ChainAnswer<unknown> = await options.escrow.broadcast(tx.raw);
  if (!sent.ok && sent.code === 'unreachable') return { kind: 'unreachable', reason: sent.reason };
  const why = sent.ok ? 'sent' : `the node says: ${sent.reason}`;
  return { kind: 'waits', payment: { ...payment, state: 'SENT' }, why };
}

/** What would make a payment fail, as far as can be seen; found here it costs no gas. */
function obstacle({ action }: Payment, view: EscrowView): string | undefined {
  if (view.coins === 0n) return 'the wallet has no coins to pay for gas';
  switch (action.kind) {
    case 'deposit':
      if (view.allowance < action.amount) return 'the ledger was not allowed to take so much';
      break;
    case 'permit-deposit':
      if (view.time > action.deadline) return 'the permit has expired';
      break;
    case 'withdraw':
      if (view.channel.thawAt === 0) return 'nothing was announced: thaw first';
      if (view.time < view.channel.thawAt)
        return `it is too early, until ${new Date(view.channel.thawAt * 1000).toISOString()}`;
      return undefined;
    case 'challenge':
      if (view.channel.held === 0n) return 'there is no claim any more';
      return undefined;
    default:
      return undefined;
  }
  return view.tokens < action.amount ? 'the wallet does not have so many tokens' : undefined;
}
