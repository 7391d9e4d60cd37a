import type { DatabaseSync } from 'node:sqlite';
import { spentSince } from '../posting/payout-ops.ts';
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
  /** Transactions that are in blocks, their gas, and what they cost (wei; at most, where a node did not say). */
  readonly transactions: number;
  readonly gas: number;
  readonly fees: string;
  /** Of that since `since`. */
  readonly recentFees: string;
}

/** `billing.ledger`: per book what is posted, what waits and what posting has cost. `since`: epoch ms. */
export function ledger(db: DatabaseSync, { since = 0 }: { readonly since?: number }): LedgerRow[] {
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
    const txs = all<{ gas_used: number }>(
      db,
      `SELECT t.gas_used FROM billing_txs t JOIN billing_batches b ON b.id = t.batch
       WHERE b.book = ?1 AND t.gas_used > 0
       UNION ALL SELECT gas_used FROM billing_payouts WHERE book = ?1 AND gas_used > 0`,
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
      fees: String(spentSince(db, id, 0)),
      recentFees: String(spentSince(db, id, since)),
    };
  });
}
