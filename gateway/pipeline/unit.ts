import type { ModuleOp, StreamAppend } from '../store/types.ts';
import type { Downtimes } from '../stream/downtime.ts';
import type { KeyedState, Reading } from '../stream/window.ts';
import type { SnapshotMeta } from './consumer-state.ts';
import type { ConsumerEvent } from './events.ts';

/** State rows of a stage begin with this. */
export const MODEL_PREFIX = 'm';

/** The pure part of a consumer: takes records and hands jobs to the sink it was made with. */
export interface Operator extends KeyedState {
  /** When the gateway itself was away. */
  readonly downtime: Downtimes;
  /** Whether silence of a device closes something, so that downtime matters. */
  readonly tracksSilence: boolean;
  feed(input: number, reading: Reading): void;
  /** See Windower.advance. */
  advance(now: number, maxKeys: number): number;
  nextDeadline(): number;
}

/** What a stage made of the jobs of one unit. */
export interface Outcome {
  readonly appends: readonly StreamAppend[];
  readonly ops: readonly ModuleOp[];
  /** Identities of jobs that a stateful stage did not take into its state. */
  readonly skipped: readonly string[];
  /** State rows as of the end of this unit; asked for only when the unit carries a snapshot. */
  readonly state: readonly { readonly key: string; readonly bytes: Uint8Array }[];
  /** Called once after the commit. Must not throw. */
  committed(): void;
}

/** What is done with jobs: inference, or writing a document. */
export interface Stage<Job> {
  /** Jobs from which on a unit is not kept back while another is under way. */
  readonly batch: number;
  /** Whether a unit may only begin when the one before has been through {@link run}. */
  readonly stateful: boolean;
  /** Rejects only when `signal` is aborted. */
  run(jobs: readonly Job[], snapshot: boolean, signal: AbortSignal): Promise<Outcome>;
  /** Repeats jobs whose outcome was committed before a restart, for their effect on the stage's state. */
  replay(jobs: readonly Job[], skipped: ReadonlySet<string>, signal: AbortSignal): Promise<void>;
  restore(key: string, bytes: Uint8Array): void;
  readonly stateBytes: number;
  /** Bytes a waiting job holds. */
  size(job: Job): number;
  /** A job gave way to newer ones; answers its identity. */
  shed(job: Job): string;
}

/** What one commit of a consumer covers: whole records only, so that nothing is done twice after a restart. */
export interface Unit<Job> {
  jobs: Job[];
  bytes: number;
  /** Records taken in, whether they made jobs or not. */
  records: number;
  readonly events: ConsumerEvent[];
  readonly skipped: string[];
  /** Seq per input of the last record, set when the unit is sealed. */
  position: readonly number[];
  /** State at the end of the unit, when it carries a snapshot. */
  snapshot: { meta: SnapshotMeta; rows: { key: string; bytes: Uint8Array }[] } | undefined;
}

export function emptyUnit<Job>(): Unit<Job> {
  return {
    jobs: [],
    bytes: 0,
    records: 0,
    events: [],
    skipped: [],
    position: [],
    snapshot: undefined,
  };
}
