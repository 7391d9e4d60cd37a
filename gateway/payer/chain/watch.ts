import { aimx } from '../../billing/formats/amount.ts';
import { toHex } from '../../billing/formats/bytes.ts';
import type { ChainAnswer } from '../../ports/chain.ts';
import type { Escrow, EscrowState, EscrowView } from '../../ports/escrow.ts';
import type { Books } from '../books/books.ts';
import { noteEscrow, noteIncident, type PayerChannel, readChannel } from '../books/channels.ts';
import { findPayment, planPayment } from '../books/payments.ts';
import { headsFrom } from '../books/receipts.ts';
import { noteSetting } from '../books/settings.ts';
import { refuting } from '../check/head.ts';

/** What a look at a channel on the chain led to. */
export interface Watched {
  readonly view: EscrowView;
  /**
   * `none`: no claim waits, or one for what is owed · `challenged`: a challenge was planned (or was before) ·
   * `unrefuted`: it asks for more than was checked, and no head of the device contradicts it.
   */
  readonly claim: 'none' | 'owed' | 'challenged' | 'unrefuted';
}

/**
 * Looks at a channel's escrow and at the claim that may wait there. A claim that a signed head contradicts is challenged: the
 * payment is planned here, once, and sent with the others.
 */
export async function watchChannel(
  books: Books,
  escrow: Escrow,
  id: Uint8Array,
  now: number,
): Promise<ChainAnswer<Watched>> {
  const { terms } = readChannel(books, id);
  const looked = await escrow.look(id, terms);
  if (!looked.ok) return looked;
  const view = looked.value;
  return books.transaction(() => {
    noteEscrow(books, id, view.channel, now);
    return { ok: true, value: { view, claim: onClaim(books, readChannel(books, id), view, now) } };
  });
}

function onClaim(
  books: Books,
  channel: PayerChannel,
  { channel: state, time }: EscrowView,
  now: number,
): Watched['claim'] {
  if (state.held === 0n || time >= state.releaseAt) return 'none';
  const heads = headsFrom(books, channel.id, state.heldSeq);
  const head = refuting(state, heads);
  if (head) {
    const key = keyOf(channel, state, head.receiptHash);
    if (!findPayment(books, key)) {
      planPayment(books, channel.id, key, { kind: 'challenge', terms: channel.terms, head }, now);
      noteIncident(
        books,
        channel.id,
        'claim',
        `${claimText(state)} is challenged with head ${head.seq}`,
        now,
      );
    }
    return 'challenged';
  }
  if (state.held <= channel.cumulative) return 'owed';
  const key = `claim/${toHex(channel.id)}/${state.heldSeq}/${state.held}`;
  // Said once: the claim may be for receipts that are still to come.
  if (noteSetting(books, key, String(now))) {
    const message = `${claimText(state)} is more than the ${aimx(String(channel.cumulative))} AIMX that were checked`;
    noteIncident(books, channel.id, 'claim', message, now);
  }
  return 'unrefuted';
}

const keyOf = ({ id }: PayerChannel, { heldSeq, held }: EscrowState, hash: Uint8Array): string =>
  `challenge/${toHex(id)}/${heldSeq}/${held}/${toHex(hash)}`;

const claimText = ({ held, heldSeq }: EscrowState): string =>
  `the claim of ${aimx(String(held))} AIMX up to receipt ${heldSeq}`;
