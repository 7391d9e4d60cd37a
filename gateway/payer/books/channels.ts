import { type Hex, toHex, ZERO_WORD } from '../../billing/formats/bytes.ts';
import type { Counted } from '../../billing/tariff/tariff.ts';
import { GatewayError } from '../../errors.ts';
import type { EscrowState, EscrowTerms } from '../../ports/escrow.ts';
import type { Books } from './books.ts';

/** Why a payer signs nothing more for a channel, until its owner decides. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  /** Receipt that it was about. */
  readonly seq: number;
  readonly at: number;
}

/** One channel as the books know it. */
export interface PayerChannel {
  readonly id: Uint8Array;
  readonly chainId: number;
  readonly ledger: string;
  readonly terms: EscrowTerms;
  /** Where its gateway is: `http://…`. */
  readonly gateway: string;
  readonly openedAt: number;
  /** The newest receipt checked. */
  readonly seq: number;
  readonly cumulative: bigint;
  readonly hash: Uint8Array;
  readonly counted: { readonly tariff: Hex; readonly counted: Counted } | undefined;
  readonly ackedSeq: number;
  readonly ackedCumulative: bigint;
  /** The highest ceiling ever signed. */
  readonly ceiling: bigint;
  /** Seconds since the epoch. */
  readonly ceilingUntil: number;
  /** Deposited less withdrawn, and paid out, as last seen on the chain. */
  readonly balance: bigint;
  readonly paid: bigint;
  readonly lookedAt: number | undefined;
  readonly refusal: Refusal | undefined;
}

interface ChannelRow {
  readonly id: Uint8Array;
  readonly chain_id: number;
  readonly ledger: string;
  readonly terms: string;
  readonly gateway: string;
  readonly opened_at: number;
  readonly seq: number;
  readonly cumulative: string;
  readonly hash: Uint8Array;
  readonly counted: string | null;
  readonly acked_seq: number;
  readonly acked_cumulative: string;
  readonly ceiling: string;
  readonly ceiling_until: number;
  readonly balance: string;
  readonly paid: string;
  readonly looked_at: number | null;
  readonly refusal: string | null;
}

const channelOf = (row: ChannelRow): PayerChannel => ({
  id: row.id,
  chainId: row.chain_id,
  ledger: row.ledger,
  terms: JSON.parse(row.terms) as EscrowTerms,
  gateway: row.gateway,
  openedAt: row.opened_at,
  seq: row.seq,
  cumulative: BigInt(row.cumulative),
  hash: row.hash,
  counted: row.counted === null ? undefined : (JSON.parse(row.counted) as PayerChannel['counted']),
  ackedSeq: row.acked_seq,
  ackedCumulative: BigInt(row.acked_cumulative),
  ceiling: BigInt(row.ceiling),
  ceilingUntil: row.ceiling_until,
  balance: BigInt(row.balance),
  paid: BigInt(row.paid),
  lookedAt: row.looked_at ?? undefined,
  refusal: row.refusal === null ? undefined : (JSON.parse(row.refusal) as Refusal),
});

export interface NewChannel extends Pick<PayerChannel, 'id' | 'chainId' | 'ledger' | 'gateway'> {
  readonly terms: EscrowTerms;
}

/** Enters a channel; one that is known stays as it is, but for where its gateway is. */
export function addChannel(books: Books, channel: NewChannel, now: number): void {
  const { id, chainId, ledger, gateway } = channel;
  const salt = typeof channel.terms.salt === 'string' ? channel.terms.salt : toHex(channel.terms.salt);
  books.run(
    `INSERT INTO payer_channels (id, chain_id, ledger, terms, gateway, opened_at, hash) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET gateway = excluded.gateway`,
    ...[
      id,
      chainId,
      ledger.toLowerCase(),
      JSON.stringify({ ...channel.terms, salt }),
      gateway,
      now,
      ZERO_WORD,
    ],
  );
}

export const listChannels = (books: Books): PayerChannel[] =>
  books.all<ChannelRow>('SELECT * FROM payer_channels ORDER BY opened_at, id').map(channelOf);

/** @throws GatewayError PAYER_CHANNEL */
export function readChannel(books: Books, id: Uint8Array): PayerChannel {
  const row = books.one<ChannelRow>('SELECT * FROM payer_channels WHERE id = ?', id);
  if (row) return channelOf(row);
  throw new GatewayError('PAYER_CHANNEL', `These books have no channel ${toHex(id)}.`);
}

/** Keeps what the chain says of a channel's money. */
export function noteEscrow(books: Books, id: Uint8Array, state: EscrowState, now: number): void {
  books.run(
    'UPDATE payer_channels SET balance = ?, paid = ?, looked_at = ? WHERE id = ?',
    ...[String(state.balance), String(state.paid), now, id],
  );
}

/** Stops all signing for a channel; the first reason stays. */
export function refuse(books: Books, id: Uint8Array, refusal: Refusal): void {
  books.transaction(() => {
    const changed = books.run(
      'UPDATE payer_channels SET refusal = ? WHERE id = ? AND refusal IS NULL',
      JSON.stringify(refusal),
      id,
    );
    if (changed) noteIncident(books, id, refusal.code, refusal.message, refusal.at);
  });
}

/** The owner has decided to go on: what was not checked is asked for anew. */
export const clearRefusal = (books: Books, id: Uint8Array): boolean =>
  books.transaction(() => {
    books.run('DELETE FROM payer_receipts WHERE channel = ? AND checked_at IS NULL', id);
    return books.run('UPDATE payer_channels SET refusal = NULL WHERE id = ? AND refusal IS NOT NULL', id) > 0;
  });

export interface Incident {
  readonly channel: Uint8Array | null;
  readonly at: number;
  readonly code: string;
  readonly message: string;
}

/** How many incidents are kept. */
const MAX_INCIDENTS = 1000;

export function noteIncident(
  books: Books,
  channel: Uint8Array | null,
  code: string,
  message: string,
  at: number,
): void {
  books.transaction(() => {
    const sql = 'INSERT INTO payer_incidents (channel, at, code, message) VALUES (?, ?, ?, ?)';
    books.run(sql, channel, at, code, message);
    books.run(
      'DELETE FROM payer_incidents WHERE id <= (SELECT max(id) FROM payer_incidents) - ?',
      MAX_INCIDENTS,
    );
  });
}

/** The newest first. */
export const listIncidents = (books: Books, limit: number): Incident[] =>
  books.all<Incident>(
    'SELECT channel, at, code, message FROM payer_incidents ORDER BY id DESC LIMIT ?',
    limit,
  );
