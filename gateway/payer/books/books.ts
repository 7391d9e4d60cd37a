import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import { MIGRATIONS } from './schema.ts';

/** How long a second process waits for the first to finish a transaction, ms. */
const BUSY_MS = 10_000;

/**
 * The payer's SQLite database: write-ahead log, synced at every commit. What `transaction` has returned survives a kill
 * and a power cut; what a kill interrupts has not happened.
 */
export class Books {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;

  /** Opens or makes the file. Throws PAYER_BOOKS when a newer payer wrote it or it is no database. */
  constructor(path: string) {
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      this.#db = new DatabaseSync(path);
      this.#db.exec(
        `PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON`,
      );
      this.transaction(() => this.#migrate());
    } catch (cause) {
      if (cause instanceof GatewayError) throw cause;
      throw new GatewayError('PAYER_BOOKS', `The books in ${path} cannot be opened.`, { cause });
    }
  }

  #migrate(): void {
    const { user_version: version } = this.one<{ user_version: number }>('PRAGMA user_version')!;
    if (version > MIGRATIONS.length)
      throw new GatewayError('PAYER_BOOKS', `The books were written by a newer payer (version ${version}).`, {
        fix: 'Install that version.',
      });
    if (version === MIGRATIONS.length) return;
    for (const sql of MIGRATIONS.slice(version)) this.#db.exec(sql);
    this.#db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  }

  /** Runs `work` in one transaction; what it throws undoes all of it. Within another it is part of that. */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    this.#db.exec('BEGIN IMMEDIATE');
    this.#depth++;
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    } finally {
      this.#depth--;
    }
  }

  run(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  one<T>(sql: string, ...values: readonly SQLInputValue[]): T | undefined {
    return this.#prepare(sql).get(...values) as T | undefined;
  }

  all<T>(sql: string, ...values: readonly SQLInputValue[]): T[] {
    return this.#prepare(sql).all(...values) as T[];
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
