/** What the main thread and the writer thread say to each other. All of it is structured-cloneable. */

import type { AuditRow, CursorMove, CursorPosition, ModuleOp, StateRow } from './types.ts';

export interface WriterOptions {
  readonly dir: string;
  /** Wall clock (ms) at the start. */
  readonly now: number;
  readonly durability: 'full' | 'normal';
  readonly modules: readonly string[];
}

/** What the writer must know of a stream to apply its retention. */
export interface StreamTerms {
  readonly id: number;
  readonly name: string;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly whenFull: 'drop-oldest' | 'reject-new';
}

export interface SegmentPart {
  readonly streamId: number;
  readonly firstSeq: number;
  readonly count: number;
  readonly firstArrival: number;
  readonly lastArrival: number;
  /** Where the segment lies in the buffer of the group. */
  readonly offset: number;
  readonly length: number;
}

export interface TransactionPart {
  /** Whether it has records among the segments of the group: if it fails, the group must be numbered anew. */
  readonly appends: boolean;
  readonly cursors: readonly CursorMove[];
  readonly states: readonly StateRow[];
  readonly ops: readonly ModuleOp[];
  readonly register: readonly CursorPosition[];
  /** Consumers that stay; the others are forgotten. */
  readonly keep?: ReadonlySet<string>;
}

export interface DeviceRow {
  readonly streamId: number;
  readonly device: string;
  readonly count: number;
  readonly lastSeq: number;
  readonly lastTime: number;
  readonly lastArrival: number;
}

export interface GroupRequest {
  readonly kind: 'group';
  readonly id: number;
  /** Which opening of the database it was numbered for. */
  readonly epoch: number;
  readonly buffer: ArrayBuffer;
  readonly segments: readonly SegmentPart[];
  readonly transactions: readonly TransactionPart[];
  readonly devices: readonly DeviceRow[];
  /** Streams all of whose device rows are true up to a seq once `devices` is written. */
  readonly devicesAsOf: readonly { readonly streamId: number; readonly seq: number }[];
  /** Whether the oldest records of `drop-oldest` streams may be given up when the disk is full. */
  readonly makeRoom: boolean;
}

export interface StreamFigures {
  readonly id: number;
  readonly head: number;
  readonly tail: number;
  readonly records: number;
  readonly bytes: number;
  /** Over `maxBytes` with records that a consumer still needs (`reject-new`). */
  readonly full: boolean;
}

/** Records given up before a consumer had passed them. */
export interface ExpiredCount {
  readonly stream: string;
  readonly consumer: string;
  readonly expired: number;
}

/** What changed in the database, for the main thread. */
export interface Changes {
  readonly streams: readonly StreamFigures[];
  readonly expired: readonly ExpiredCount[];
  readonly fileBytes: number;
}

export interface CodedFailure {
  readonly code: string;
  readonly message: string;
  readonly fix?: string;
}

export type TransactionAnswer =
  | { readonly ok: true; readonly results: unknown[] }
  | { readonly ok: false; readonly error: CodedFailure };

export interface GroupReply {
  readonly kind: 'group';
  readonly id: number;
  readonly buffer: ArrayBuffer;
  /**
   * `committed`: everything but the transactions whose answer says otherwise. `split`: nothing; the failed
   * transactions have records, so the rest must come again numbered anew. `full`: nothing, the disk refused. `again`:
   * nothing, the database was rebuilt meanwhile. `failed`: nothing, for a reason that trying again does not mend.
   */
  readonly outcome: 'committed' | 'split' | 'full' | 'again' | 'failed';
  readonly answers: readonly TransactionAnswer[];
  readonly error?: CodedFailure;
  readonly changes: Changes | undefined;
  /** Whether the space kept for cleaning up is gone, see reserve.ts: the disk counts as full until it is back. */
  readonly full: boolean;
  readonly ms: number;
}

export interface LoadedStream extends StreamFigures {
  readonly name: string;
  readonly lastArrival: number;
  readonly devicesAsOf: number;
  readonly devices: readonly DeviceRow[];
}

export interface RebuildNotice {
  readonly reason: string;
  readonly quarantine: string;
  readonly lostRecords: number;
  readonly startedOver: boolean;
}

export interface LoadedState {
  /** Counts how often the database was opened by this thread. */
  readonly epoch: number;
  /** Id of the last group that was committed. */
  readonly lastGroup: number;
  readonly streams: readonly LoadedStream[];
  readonly cursors: readonly (CursorPosition & { readonly expired: number })[];
  /** Where streams begin that are not in the file. */
  readonly base: number;
  readonly quarantined: readonly string[];
  /** Set when the database was damaged and has just been rebuilt. */
  readonly rebuilt: RebuildNotice | undefined;
  readonly damagedRecords: number;
  readonly fileBytes: number;
}

/** Requests that are answered by value, matched by id. */
export type CallRequest =
  | {
      readonly call: 'read';
      readonly streamId: number;
      readonly after: number;
      readonly limit: number;
      readonly bytes: number;
    }
  | { readonly call: 'states'; readonly consumer: string }
  | { readonly call: 'query'; readonly name: string; readonly args: unknown }
  | { readonly call: 'audit' }
  | { readonly call: 'damaged'; readonly streamId: number; readonly seqs: readonly number[] }
  | { readonly call: 'maintain'; readonly now: number; readonly synced: boolean }
  | { readonly call: 'probe' };

export interface SegmentBytes {
  readonly firstSeq: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

export interface CallAnswers {
  /** `missing`: records newly found to be absent although they were never deleted. */
  read: { readonly segments: readonly SegmentBytes[]; readonly missing: number };
  states: { key: string; asOf: number; bytes: Uint8Array }[];
  query: unknown;
  audit: AuditRow[];
  damaged: null;
  /** Whether there is more to do: one call takes a short step only. */
  maintain: boolean;
  /** Whether the disk takes writes again. */
  probe: boolean;
}

export type Request =
  | GroupRequest
  | { readonly kind: 'terms'; readonly streams: readonly StreamTerms[] }
  | { readonly kind: 'call'; readonly id: number; readonly request: CallRequest }
  | { readonly kind: 'close' };

export type Reply =
  | { readonly kind: 'ready'; readonly state: LoadedState }
  | { readonly kind: 'refused'; readonly error: CodedFailure }
  | GroupReply
  /** Sent before the reply to whatever changed them. */
  | { readonly kind: 'changes'; readonly changes: Changes }
  /** The database was rebuilt: everything the main thread knows of it is replaced; what is in flight comes again. */
  | { readonly kind: 'rebuilt'; readonly state: LoadedState }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly error: CodedFailure }
  | { readonly kind: 'closed' };
