import type { DatabaseSync, StatementSync } from 'node:sqlite';

const prepared = new WeakMap<DatabaseSync, Map<string, StatementSync>>();

/** The statement of `sql`, prepared once per database. Texts are compiled in, so the map stays small. */
export function statement(db: DatabaseSync, sql: string): StatementSync {
  const known = prepared.get(db) ?? new Map<string, StatementSync>();
  if (known.size === 0) prepared.set(db, known);
  const found = known.get(sql) ?? db.prepare(sql);
  known.set(sql, found);
  return found;
}

export function one<T>(db: DatabaseSync, sql: string, ...values: SqlValue[]): T | undefined {
  return statement(db, sql).get(...values) as T | undefined;
}

export function all<T>(db: DatabaseSync, sql: string, ...values: SqlValue[]): T[] {
  return statement(db, sql).all(...values) as T[];
}

export function run(db: DatabaseSync, sql: string, ...values: SqlValue[]): number {
  return Number(statement(db, sql).run(...values).changes);
}

export type SqlValue = string | number | bigint | null | Uint8Array;
