import type { DatabaseSync } from 'node:sqlite';
import type { StoreModule } from '../../gateway/store/types.ts';

/** A store module for tests: named counters that never go below zero. */
export const storeModule: StoreModule = {
  name: 'counter',
  migrations: [
    'CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL)',
    'ALTER TABLE counter ADD COLUMN changes INTEGER NOT NULL DEFAULT 0',
  ],
  ops: {
    add(db: DatabaseSync, args: { name: string; by: number }) {
      db.prepare(
        `INSERT INTO counter (name, value, changes) VALUES (?, ?, 1)
          ON CONFLICT (name) DO UPDATE SET value = value + excluded.value, changes = changes + 1`,
      ).run(args.name, args.by);
      const row = db.prepare('SELECT value FROM counter WHERE name = ?').get(args.name);
      if (Number(row?.value) < 0) throw Object.assign(new Error('below zero'), { code: 'USAGE' });
      return row?.value;
    },
  },
  queries: {
    value(db: DatabaseSync, name: string) {
      return Number(db.prepare('SELECT value FROM counter WHERE name = ?').get(name)?.value ?? 0);
    },
  },
};
