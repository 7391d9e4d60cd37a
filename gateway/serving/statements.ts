import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';

const prepared = new WeakMap<DatabaseSync, Map<string, StatementSync>>();

/** The statement of `sql`, prepared once per database. Texts are compiled in, so the map stays small. */
function statement(db: DatabaseSync, sql: string): StatementSync {
  const known = prepared.get(db) ?? new Map<string, StatementSync>();
  if (known.size === 0) prepared.set(db, known);
  const found = known.get(sql) ?? db.prepare(sql);
  known.set(sql, found);
  return found;
}

export const one = <T>(db: DatabaseSync, sql: string, ...values: SQLInputValue[]): T | undefined =>
  statement(db, sql).get(...values) as T | undefined;

export const all = <T>(db: DatabaseSync, sql: string, ...values: SQLInputValue[]): T[] =>
  statement(db, sql).all(...values) as T[];

export const run = (db: DatabaseSync, sql: string, ...values: SQLInputValue[]): void => {
  statement(db, sql).run(...values);
};
