import { DatabaseSync } from 'node:sqlite';
import type { BillingStore } from '../../gateway/billing/index.ts';
import { storeModule } from '../../gateway/billing/store-module.ts';
import type { Transaction } from '../../gateway/store/types.ts';

export interface ModuleStore extends BillingStore {
  readonly db: DatabaseSync;
  /** Called before and after each commit; throwing is a crash at that instant. */
  onCommit(listener: (when: 'before' | 'after', transaction: Transaction) => void): void;
}

/** The billing module on a real SQLite database in this thread, with the store's transaction rules. */
export function moduleStore(path = ':memory:'): ModuleStore {
  const db = new DatabaseSync(path);
  const made = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'billing_books'").get();
  if (!made) for (const sql of storeModule.migrations) db.exec(sql);
  let tell: (when: 'before' | 'after', transaction: Transaction) => void = () => {};
  return {
    db,
    onCommit(listener) {
      tell = listener;
    },
    async commit(transaction) {
      tell('before', transaction);
      db.exec('BEGIN IMMEDIATE');
      let results: unknown[];
      try {
        results = (transaction.ops ?? []).map(({ op, args }) =>
          storeModule.ops[op.replace('billing.', '')]!(db, args as never),
        );
        db.exec('COMMIT');
      } catch (error) {
        db.exec('ROLLBACK');
        throw error;
      }
      tell('after', transaction);
      return results;
    },
    async query<T>(name: string, args?: unknown) {
      return storeModule.queries[name.replace('billing.', '')]!(db, args as never) as T;
    },
  };
}
