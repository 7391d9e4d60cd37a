import type { DatabaseSync } from 'node:sqlite';
import { all, one } from '../statements.ts';
import { books } from './receipt-queries.ts';

/** How a device's book stands with the chain, as the database knows it. */
export interface LedgerRow {
  readonly id: number;
  readonly chain_id: number;
  readonly ledger: string;
  readonly device: string;
  /** Receipts made, and how many of them the chain holds. */
  readonly receipts: number;
  readonly posted: number;
  readonly final: number;
  /** When the oldest receipt that the chain does not hold was made, epoch ms; null when there is none. */
  readonly oldest: number | null;
  /** The batch on its way, if any. */
  readonly state: string | null;
  /** Transactions that are in blocks, their gas, and at most what they cost (wei). */
  readonly transactions: number;
  readonly gas: number;
  readonly fees: string;
}

/** `billing.ledger`: per book what is posted, what waits and what posting has cost. */
export function ledger(db: DatabaseSync): LedgerRow[] {
  return books(db).map(({ id, chain_id, ledger: address, device, receipts, posted, final }) => {
    const oldest = one<{ created_at: number }>(
      db,
      'SELECT created_at FROM billing_receipts WHERE book = ? AND ordinal > ? ORDER BY ordinal LIMIT 1',
      id,
      posted,
    );
    const batch = one<{ state: string }>(
      db,
      "SELECT state FROM billing_batches WHERE book = ? AND to_ordinal > ? AND state IN ('SEALED', 'SIGNED', 'SENT') ORDER BY id DESC LIMIT 1",
      id,
      posted,
    );
    const txs = all<{ gas_used: number; max_fee: string }>(
      db,
      `SELECT t.gas_used, t.max_fee FROM billing_txs t JOIN billing_batches b ON b.id = t.batch
       WHERE b.book = ? AND t.gas_used IS NOT NULL`,
      id,
    );
    return {
      id,
      chain_id,
      ledger: address,
      device,
      receipts,
      posted,
      final,
      oldest: oldest?.created_at ?? null,
      state: batch?.state ?? null,
      transactions: txs.length,
      gas: txs.reduce((sum, { gas_used }) => sum + gas_used, 0),
      fees: String(txs.reduce((sum, { gas_used, max_fee }) => sum + BigInt(gas_used) * BigInt(max_fee), 0n)),
    };
  });
}
