import { aimx } from '../billing/formats/amount.ts';
import { toHex } from '../billing/formats/bytes.ts';
import { ackDigest, ceilingDigest, separatorOf } from '../billing/formats/documents.ts';
import type { SignedCeiling, SignedStatement } from '../billing/formats/wire.ts';
import { GatewayError } from '../errors.ts';
import type { Signer } from '../ports/chain.ts';
import type { Books } from './books/books.ts';
import { type PayerChannel, readChannel } from './books/channels.ts';
import { committedTo, readLimits } from './books/limits-table.ts';
import { type Limit, limitText, type Room, roomOf } from './limits.ts';

/**
 * What the session key signs. Each signature is in the books, and synced, before anybody else can see it; what was signed
 * before stands in the way of anything that would contradict it.
 */

export interface CeilingWish {
  /** Credit window: what the gateway may serve beyond what was checked, in the token's smallest unit. */
  readonly window: bigint;
  /** How long the gateway may claim under it. */
  readonly validForMs: number;
  readonly now: number;
}

const MAX_CUMULATIVE = 2n ** 128n - 1n;

const refuseStopped = ({ refusal }: PayerChannel): void => {
  if (refusal)
    throw new GatewayError('PAYER_REFUSED', `Nothing is signed for this channel: ${refusal.message}`);
};

/** The separator of a channel's ledger; throws PAYER_KEY where this is not the channel's session key. */
function separatorFor({ chainId, ledger, terms }: PayerChannel, signer: Signer): Uint8Array {
  if (signer.address === terms.payerSigner.toLowerCase()) return separatorOf({ chainId, address: ledger });
  throw new GatewayError('PAYER_KEY', `The session key ${signer.address} is not that of the channel.`, {
    expected: terms.payerSigner,
  });
}

/**
 * A ceiling one window above what was checked, as far as limits and escrow allow. The newest one again where it still
 * leaves more than half a window for more than half its time. Throws PAYER_LIMIT or PAYER_ESCROW when nothing is
 * left, PAYER_REFUSED when the channel was stopped.
 */
export function signCeiling(books: Books, signer: Signer, id: Uint8Array, wish: CeilingWish): SignedCeiling {
  return books.transaction(() => {
    const channel = readChannel(books, id);
    refuseStopped(channel);
    const { now, window, validForMs } = wish;
    const present = newestCeiling(books, id);
    const halfTime = Math.floor((now + validForMs / 2) / 1000);
    if (present && present.maxCumulative - channel.cumulative > window / 2n && present.validUntil > halfTime)
      return present;
    const maxCumulative = highest(books, channel, channel.cumulative + window, now);
    const validUntil = Math.floor((now + validForMs) / 1000);
    if (present?.maxCumulative === maxCumulative && present.validUntil >= validUntil) return present;
    const ceiling = { maxCumulative, validUntil };
    const document = { channelId: id, ...ceiling };
    const signature = signer.sign(ceilingDigest(separatorFor(channel, signer), document));
    books.run(
      `INSERT INTO payer_ceilings (channel, max_cumulative, valid_until, added, signature, signed_at)
       VALUES (?, ?, ?, ?, ?, ?)`,
      ...[id, String(maxCumulative), validUntil, String(maxCumulative - channel.ceiling), signature, now],
    );
    books.run(
      'UPDATE payer_channels SET ceiling = ?, ceiling_until = ? WHERE id = ?',
      ...[String(maxCumulative), validUntil, id],
    );
    return { ...ceiling, signature };
  });
}

/** The wanted ceiling, or as much of it as limits and escrow allow; never below the highest so far. */
function highest(books: Books, channel: PayerChannel, wanted: bigint, now: number): bigint {
  const { ceiling, cumulative, balance, lookedAt, terms } = channel;
  if (wanted <= ceiling) return ceiling;
  const { left, by } = roomOf(readLimits(books), terms.device, committedTo(books, terms.device, now));
  let most = wanted < MAX_CUMULATIVE ? wanted : MAX_CUMULATIVE;
  if (left !== undefined && ceiling + left < most) most = ceiling + left;
  const escrowed = lookedAt !== undefined && balance < most;
  if (escrowed) most = balance;
  if (most < ceiling) most = ceiling;
  // The gateway needs a ceiling above what it has served; one that is used up is no use to it.
  if (most > cumulative) return most;
  if (escrowed)
    throw new GatewayError('PAYER_ESCROW', `The escrow of ${aimx(String(balance))} AIMX is used up.`);
  throw limitReached(by!);
}

const tokens = (units: bigint): string => aimx(String(units));

export const limitReached = (limit: Limit): GatewayError =>
  new GatewayError('PAYER_LIMIT', `Nothing more is signed: ${limitText(limit, tokens)} is reached.`);

export function newestCeiling(books: Books, id: Uint8Array): SignedCeiling | undefined {
  const row = books.one<{ max_cumulative: string; valid_until: number; signature: Uint8Array }>(
    'SELECT * FROM payer_ceilings WHERE channel = ? ORDER BY id DESC LIMIT 1',
    id,
  );
  return (
    row && {
      maxCumulative: BigInt(row.max_cumulative),
      validUntil: row.valid_until,
      signature: row.signature,
    }
  );
}

/** Room that limits leave for a channel's gateway, for `status`. */
export const roomFor = (books: Books, channel: PayerChannel, now: number): Room =>
  roomOf(readLimits(books), channel.terms.device, committedTo(books, channel.terms.device, now));

/**
 * The acknowledgement of everything checked. The one there is again when nothing was checked since; undefined before the
 * first receipt. Throws PAYER_REFUSED when the channel was stopped.
 */
export function signAck(
  books: Books,
  signer: Signer,
  id: Uint8Array,
  now: number,
): SignedStatement | undefined {
  return books.transaction(() => {
    const channel = readChannel(books, id);
    const { seq, cumulative, hash, ackedSeq, ackedCumulative } = channel;
    if (seq === ackedSeq) return newestAck(books, id);
    refuseStopped(channel);
    // Receipts are taken as checked in order only; this stands here should that ever not be so.
    if (seq < ackedSeq || cumulative < ackedCumulative)
      throw new GatewayError('INTERNAL', `Acknowledgement ${ackedSeq} of ${toHex(id)} would be taken back.`);
    const ack = { seq, cumulative, receiptHash: hash };
    const signature = signer.sign(ackDigest(separatorFor(channel, signer), { channelId: id, ...ack }));
    books.run(
      'INSERT INTO payer_acks (channel, seq, cumulative, hash, signature, signed_at) VALUES (?, ?, ?, ?, ?, ?)',
      ...[id, seq, String(cumulative), hash, signature, now],
    );
    books.run(
      'UPDATE payer_channels SET acked_seq = ?, acked_cumulative = ? WHERE id = ?',
      ...[seq, String(cumulative), id],
    );
    return { ...ack, signature };
  });
}

export function newestAck(books: Books, id: Uint8Array): SignedStatement | undefined {
  const row = books.one<{ seq: number; cumulative: string; hash: Uint8Array; signature: Uint8Array }>(
    'SELECT * FROM payer_acks WHERE channel = ? ORDER BY seq DESC LIMIT 1',
    id,
  );
  return (
    row && {
      seq: row.seq,
      cumulative: BigInt(row.cumulative),
      receiptHash: row.hash,
      signature: row.signature,
    }
  );
}

/** What the gateway has not been seen to take yet. */
export function undelivered(
  books: Books,
  id: Uint8Array,
): { readonly ack?: SignedStatement; readonly ceiling?: SignedCeiling } {
  const waits = (table: string): boolean =>
    books.one(`SELECT 1 FROM ${table} WHERE channel = ? AND delivered_at IS NULL`, id) !== undefined;
  const ack = waits('payer_acks') ? newestAck(books, id) : undefined;
  const ceiling = waits('payer_ceilings') ? newestCeiling(books, id) : undefined;
  return { ...(ack ? { ack } : {}), ...(ceiling ? { ceiling } : {}) };
}

/** The gateway has taken an acknowledgement, and with it all before it. */
export const ackDelivered = (books: Books, id: Uint8Array, seq: number, now: number): void =>
  void books.run(
    'UPDATE payer_acks SET delivered_at = ? WHERE channel = ? AND seq <= ? AND delivered_at IS NULL',
    ...[now, id, seq],
  );

export const ceilingDelivered = (books: Books, id: Uint8Array, max: bigint, now: number): void => {
  const rows = books.all<{ id: number; max_cumulative: string }>(
    'SELECT id, max_cumulative FROM payer_ceilings WHERE channel = ? AND delivered_at IS NULL',
    id,
  );
  for (const row of rows)
    if (BigInt(row.max_cumulative) <= max)
      books.run('UPDATE payer_ceilings SET delivered_at = ? WHERE id = ?', now, row.id);
};
