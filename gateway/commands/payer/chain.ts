import { randomUUID } from 'node:crypto';
import { toHex } from '../../billing/formats/bytes.ts';
import { GatewayError } from '../../errors.ts';
import { findPayment, openPayments, transactionsOf } from '../../payer/books/payments.ts';
import { noteSetting } from '../../payer/books/settings.ts';
import {
  type Books,
  newChannel,
  paymentRound,
  planDeposit,
  planPayment,
  readChannel,
  readOffer,
  watchChannel,
} from '../../payer/index.ts';
import { pause } from '../../payer/requests.ts';
import type { Escrow, EscrowAction } from '../../ports/escrow.ts';
import { systemClock } from '../../system/clock.ts';
import type { CommandContext, ExitCode } from '../command.ts';
import type { Subcommand } from '../subcommands.ts';
import {
  amountOf,
  chooseChannel,
  escrowOf,
  httpLink,
  maxFeeOf,
  money,
  needEscrow,
  openKey,
  rpcSetting,
  wholeOption,
  withBooks,
} from './shared.ts';

const PAUSE_MS = 500;

/** `payer open`: a new channel with a gateway, and its first deposit. */
export const open: Subcommand = (context) =>
  withBooks(context, async (books) => {
    const gateway = context.option('gateway');
    if (gateway === undefined)
      throw new GatewayError('USAGE', 'whom to pay is missing', { expected: '--gateway URL' });
    const amount = amountOf('--deposit', context.option('deposit'));
    const [wallet, session] = [await openKey(context, 'wallet'), await openKey(context, 'session')];
    const asked = await httpLink(context, gateway).offer!();
    if (!asked.ok) throw new GatewayError('PAYER_GATEWAY', `${gateway} does not answer: ${asked.reason}`);
    const offer = readOffer(asked.value, knownOf(context));
    const rpc = context.option('rpc');
    if (rpc !== undefined) noteSetting(books, rpcSetting(offer.chainId), rpc);
    const escrow = escrowOf(context, books, offer);
    if (!escrow)
      throw new GatewayError('USAGE', 'where the chain is was never said', { expected: '--rpc URL' });
    const terms = {
      ...{ payer: wallet.address, session: session.address, gateway },
      withdrawDelay: wholeOption(context, 'withdraw-delay', 7 * 86_400),
      disputeWindow: wholeOption(context, 'dispute-window', 86_400),
    };
    try {
      const id = newChannel(books, offer, terms, Date.now());
      const key = await planDeposit({ books, escrow, wallet, now: Date.now }, id, amount, howOf(context));
      await waitFor(context, books, escrow, key);
      return shown(
        context,
        books,
        id,
        `channel ${context.ui.style.bold(toHex(id))} with ${money(amount)} AIMX`,
      );
    } finally {
      escrow.close();
    }
  });

function knownOf(context: CommandContext) {
  const chainId = context.option('chain-id');
  const names = ['provider', 'device', 'ledger', 'token'] as const;
  const known = Object.fromEntries(names.map((name) => [name, context.option(name)]));
  return { ...known, ...(chainId === undefined ? {} : { chainId: wholeOption(context, 'chain-id', 0) }) };
}

const howOf = (context: CommandContext): 'auto' | 'permit' | 'approve' =>
  context.flag('permit') ? 'permit' : context.flag('approve') ? 'approve' : 'auto';

/** `payer deposit [CHANNEL] AMOUNT`. */
export const deposit: Subcommand = (context, words) =>
  onChannel(context, words, true, async (books, escrow, id, amount) => {
    const wallet = await openKey(context, 'wallet');
    const key = await planDeposit({ books, escrow, wallet, now: Date.now }, id, amount, howOf(context));
    await waitFor(context, books, escrow, key);
    return `${money(amount)} AIMX more in escrow`;
  });

/** `payer thaw [CHANNEL] AMOUNT`. */
export const thaw: Subcommand = (context, words) =>
  onChannel(context, words, true, async (books, escrow, id, amount) => {
    const { terms } = readChannel(books, id);
    await pay(context, books, escrow, id, { kind: 'thaw', terms, amount });
    return `${money(amount)} AIMX can be withdrawn in ${Math.round(terms.withdrawDelay / 3600)} hours`;
  });

/** `payer withdraw [CHANNEL]`. */
export const withdraw: Subcommand = (context, words) =>
  onChannel(context, words, false, async (books, escrow, id) => {
    const { terms } = readChannel(books, id);
    await pay(context, books, escrow, id, { kind: 'withdraw', terms });
    return 'withdrawn';
  });

/** `payer challenge [CHANNEL]`: exit code 1 where a claim waits that cannot be refuted. */
export const challenge: Subcommand = (context, words) =>
  withBooks(context, async (books) => {
    const channel = chooseChannel(books, words[0]);
    const escrow = needEscrow(context, books, channel);
    try {
      const watched = await watchChannel(books, escrow, channel.id, Date.now());
      if (!watched.ok) throw new GatewayError('PAYER_CHAIN', `The chain cannot be asked: ${watched.reason}`);
      const { claim } = watched.value;
      const planned = openPayments(books).find(({ action }) => action.kind === 'challenge');
      if (planned) await waitFor(context, books, escrow, planned.key);
      context.print({ channel: toHex(channel.id), claim }, () => CLAIMS[claim]);
      return claim === 'unrefuted' ? 1 : 0;
    } finally {
      escrow.close();
    }
  });

const CLAIMS = {
  none: 'no claim waits',
  owed: 'the claim that waits is for what was received',
  challenged: 'the claim is refuted',
  unrefuted: 'the claim asks for more than was received, and no head of the device contradicts it',
} as const;

async function pay(
  context: CommandContext,
  books: Books,
  escrow: Escrow,
  id: Uint8Array,
  action: EscrowAction,
): Promise<void> {
  const { key } = planPayment(books, id, `${action.kind}/${randomUUID()}`, action, Date.now());
  await waitFor(context, books, escrow, key);
}

/** Runs `work` on a channel's chain; the words are a channel, which may be left out, and an amount where one is needed. */
function onChannel(
  context: CommandContext,
  words: readonly string[],
  withAmount: boolean,
  work: (books: Books, escrow: Escrow, id: Uint8Array, amount: bigint) => Promise<string>,
): Promise<ExitCode> {
  return withBooks(context, async (books) => {
    const channel = chooseChannel(books, words.length > (withAmount ? 1 : 0) ? words[0] : undefined);
    const amount = withAmount ? amountOf('AMOUNT', words.at(-1)) : 0n;
    const escrow = needEscrow(context, books, channel);
    try {
      return shown(context, books, channel.id, await work(books, escrow, channel.id, amount));
    } finally {
      escrow.close();
    }
  });
}

function shown(context: CommandContext, books: Books, id: Uint8Array, text: string): ExitCode {
  const { balance, paid } = readChannel(books, id);
  context.print({ channel: toHex(id), balance: money(balance), paid: money(paid) }, () => text);
  return 0;
}

/**
 * Sends what is planned and waits until the payment with this key is in the chain. Throws PAYER_PAYMENT when it failed. With
 * `--no-wait`, or when stopped, it stays in the books, and the next command or `run` goes on with it.
 */
async function waitFor(context: CommandContext, books: Books, escrow: Escrow, key: string): Promise<void> {
  const wallet = await openKey(context, 'wallet');
  const clock = systemClock();
  const progress = context.ui.progress('waiting for the chain', 3);
  const steps = { PLANNED: 0, SENT: 1, MINED: 2, FINAL: 3, FAILED: 3 };
  try {
    while (!context.signal.aborted) {
      const options = { books, escrow, wallet, now: Date.now, maxFee: maxFeeOf(context) };
      const round = await paymentRound(options);
      const payment = findPayment(books, key)!;
      if (payment.state === 'FAILED')
        throw new GatewayError('PAYER_PAYMENT', `It was not paid: ${payment.reason}.`);
      if (payment.state === 'FINAL' || payment.state === 'MINED') {
        await noteNewest(books, escrow, payment.channel);
        return;
      }
      const why = round.kind === 'waits' ? round.why : round.kind === 'unreachable' ? round.reason : '';
      if (context.flag('no-wait') && transactionsOf(books, payment.id).length > 0) return;
      if (round.kind === 'unreachable' && context.flag('no-wait'))
        throw new GatewayError('PAYER_CHAIN', `The chain cannot be asked: ${round.reason}`);
      progress.update(steps[payment.state], why);
      await pause(clock, PAUSE_MS, context.signal);
    }
  } finally {
    progress.end();
  }
}

/** What the escrow holds after the payment. */
async function noteNewest(books: Books, escrow: Escrow, id: Uint8Array): Promise<void> {
  await watchChannel(books, escrow, id, Date.now());
}
