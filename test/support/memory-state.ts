import { DatabaseSync } from 'node:sqlite';
import type { Store, StoreModule, Transaction } from '../../gateway/store/types.ts';

export type ModuleStore = Pick<Store, 'commit' | 'query' | 'outstandingBytes' | 'highWater'> & {
  readonly db: DatabaseSync;
  outstandingBytes: number;
  /** When set, every commit is refused with it. */
  failure: Error | null;
};

/** The module part of a store on one SQLite file, without a writer thread: real SQL, answers in the next turn. */
export function moduleStore(module: StoreModule, file = ':memory:'): ModuleStore {
  const db = new DatabaseSync(file);
  const done = db.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'mqtt_sessions'").get() as {
    n: number;
  };
  if (done.n === 0) for (const sql of module.migrations) db.exec(sql);
  return {
    db,
    outstandingBytes: 0,
    highWater: 8 * 1024 * 1024,
    failure: null,
    async commit(transaction: Transaction) {
      const { failure } = this;
      const ops = structuredClone(transaction.ops ?? []);
      await new Promise((resolve) => setImmediate(resolve));
      if (failure) throw failure;
      db.exec('BEGIN');
      const results = ops.map(({ op, args }) => module.ops[op.split('.')[1]!]!(db, args as never));
      db.exec('COMMIT');
      return results;
    },
    async query<T>(name: string, args?: unknown) {
      return module.queries[name.split('.')[1]!]!(db, args as never) as T;
    },
  };
}
