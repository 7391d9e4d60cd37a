import type { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import type { DeviceRow, GroupRequest, TransactionAnswer, TransactionPart } from '../protocol.ts';
import { sealSegment } from '../segment-reader.ts';
import type { StateRow, StoreModule } from '../types.ts';
import { asFailure, isCorruption, isDiskFault } from './faults.ts';
import type { Journal } from './journal.ts';

/** Some transactions failed that have records in the group: nothing of it may be stored as it is numbered. */
export class SplitGroup extends Error {
  readonly answers: readonly TransactionAnswer[];
  constructor(answers: readonly TransactionAnswer[]) {
    super('transactions with records failed');
    this.answers = answers;
  }
}

type Operation = (db: DatabaseSync, args: never) => unknown;

/** Runs groups: one SQLite transaction each. */
export class GroupRunner {
  readonly #db: DatabaseSync;
  readonly #journal: Journal;
  readonly #operations = new Map<string, Operation>();
  readonly #putState;
  readonly #dropState;
  readonly #putDevice;

  constructor(db: DatabaseSync, journal: Journal, modules: readonly StoreModule[]) {
    this.#db = db;
    this.#journal = journal;
    for (const module of modules) {
      for (const [name, run] of Object.entries(module.ops))
        this.#operations.set(`${module.name}.${name}`, run);
    }
    this.#putState = db.prepare(
      `INSERT INTO state (consumer, key, as_of, bytes) VALUES (?, ?, ?, ?)
        ON CONFLICT (consumer, key) DO UPDATE SET as_of = excluded.as_of, bytes = excluded.bytes`,
    );
    this.#dropState = db.prepare('DELETE FROM state WHERE consumer = ? AND key = ?');
    this.#putDevice = db.prepare(
      `INSERT INTO device (stream, device, count, last_seq, last_time, last_arrival) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (stream, device) DO UPDATE SET count = excluded.count, last_seq = excluded.last_seq,
        last_time = excluded.last_time, last_arrival = excluded.last_arrival`,
    );
  }

  /** Commits the group, or throws with nothing of it stored and the journal as it was. */
  run(group: GroupRequest): TransactionAnswer[] {
    const db = this.#db;
    const bytes = new Uint8Array(group.buffer);
    try {
      db.exec('BEGIN IMMEDIATE');
      for (const part of group.segments) {
        const segment = bytes.subarray(part.offset, part.offset + part.length);
        sealSegment(segment);
        this.#journal.append(part, segment);
      }
      const answers = group.transactions.map((part) => this.#transaction(part));
      if (answers.some((answer, index) => !answer.ok && group.transactions[index]!.appends)) {
        throw new SplitGroup(answers);
      }
      for (const row of group.devices) this.#device(row);
      for (const { streamId, seq } of group.devicesAsOf) this.#journal.setDevicesAsOf(streamId, seq);
      this.#journal.retainBytes();
      this.#journal.flush();
      // Survives a lost writer thread: the main thread learns from it what became of its last group.
      db.exec(`PRAGMA user_version = ${group.id}`);
      db.exec('COMMIT');
      this.#journal.committed();
      return answers;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  rollback(): void {
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    this.#journal.reload();
  }

  #transaction(part: TransactionPart): TransactionAnswer {
    const careful = part.ops.length > 0;
    if (careful) this.#db.exec('SAVEPOINT op');
    try {
      for (const position of part.register) this.#journal.register(position);
      this.#journal.checkCursors(part.cursors);
      const results = part.ops.map(({ op, args }) => this.#operation(op)(this.#db, args as never));
      this.#journal.moveCursors(part.cursors);
      for (const row of part.states) this.#state(row);
      if (part.keep !== undefined) this.#journal.retire(part.keep);
      if (careful) this.#db.exec('RELEASE op');
      return { ok: true, results };
    } catch (error) {
      if (isDiskFault(error) || isCorruption(error)) throw error;
      if (careful) this.#db.exec('ROLLBACK TO op; RELEASE op');
      return { ok: false, error: asFailure(error) };
    }
  }

  #operation(name: string): Operation {
    const operation = this.#operations.get(name);
    if (operation === undefined) throw new GatewayError('INTERNAL', `store: there is no operation ${name}`);
    return operation;
  }

  #state(row: StateRow): void {
    if (row.bytes === null) this.#dropState.run(row.consumer, row.key);
    else this.#putState.run(row.consumer, row.key, row.asOf, row.bytes);
  }

  #device(row: DeviceRow): void {
    this.#putDevice.run(row.streamId, row.device, row.count, row.lastSeq, row.lastTime, row.lastArrival);
  }
}
