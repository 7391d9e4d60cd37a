import { asGatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { StateRow, Store } from '../store/types.ts';
import { Backoff, LOCAL } from '../system/backoff.ts';
import type { ConsumerState } from './consumer-state.ts';
import type { RecordSource } from './source.ts';
import type { Outcome, Unit } from './unit.ts';

export interface CommitContext<Job> {
  readonly name: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly source: RecordSource;
  readonly state: ConsumerState;
  readonly unit: Unit<Job>;
  readonly outcome: Outcome;
  readonly signal: AbortSignal;
}

/**
 * Commits a unit: its outputs, cursors, events, snapshot and billing in one transaction. Tries again until the store
 * takes it (a full disk is waited out), or `signal` is aborted: then the error of the last attempt is thrown.
 */
export async function commitUnit<Job>(context: CommitContext<Job>): Promise<void> {
  const { name, store, source, unit, outcome, clock, log, signal } = context;
  const transaction = {
    appends: outcome.appends,
    cursors: source.streams.map((stream, i) => ({ consumer: name, stream, seq: unit.position[i]! })),
    states: stateRows(context),
    ops: outcome.ops,
  };
  for (const backoff = new Backoff(LOCAL); ; ) {
    try {
      await store.commit(transaction);
      return;
    } catch (error) {
      const coded = asGatewayError(error);
      if (signal.aborted || coded.code === 'STOPPING') throw error;
      const delay = backoff.next();
      log.warn(
        { code: coded.code, retryMs: delay },
        `${name}: commit failed (${coded.message}), trying again`,
      );
      await pause(clock, delay, signal);
    }
  }
}

function stateRows<Job>({ state, unit, outcome }: CommitContext<Job>): StateRow[] {
  const asOf = unit.position[0]!;
  const skipped = [...unit.skipped, ...outcome.skipped];
  if (unit.snapshot !== undefined) {
    const rows = [...unit.snapshot.rows, ...outcome.state].map((row) => state.row(row.key, asOf, row.bytes));
    return [...rows, ...state.snapshotRows(unit.snapshot.meta)];
  }
  const rows = unit.events.map((event) => state.eventRow(event));
  if (skipped.length > 0) {
    rows.push(state.eventRow({ kind: 'skipped', position: unit.position, windows: skipped }));
  }
  return rows;
}

/** Waits `ms`, or until `signal` is aborted. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const cancel = clock.after(ms, end);
    signal.addEventListener('abort', end, { once: true });
    function end(): void {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    }
  });
}
