/**
 * The store's contract: one journal of named streams, many cursors, one writer thread, one transaction per group
 * commit. What is appended or written resolves only after the transaction is synced (`durability: full`) or
 * written to the operating system (`normal`).
 */

/** Encodes the values of one stream. Pure; deterministic; `decode(encode(x))` equals `x` bit for bit. */
export interface RecordCodec<T> {
  encode(value: T, out: ByteWriter): void;
  /** `bytes` is a view into a larger buffer: copy what is kept. */
  decode(bytes: Uint8Array): T;
}

/** Growable little-endian byte buffer that codecs write into. */
export interface ByteWriter {
  u8(value: number): void;
  u32(value: number): void;
  varint(value: number): void;
  f64(value: number): void;
  /** varint length, then UTF-8. */
  string(value: string): void;
  bytes(value: Uint8Array): void;
}

/** What the caller knows of a record before the journal has placed it. Times in ms since the epoch. */
export interface NewRecord<T> {
  readonly device: string;
  readonly time: number;
  readonly flags: number;
  readonly value: T;
}

export interface JournalRecord<T> {
  /** Place in the stream, from 1, without gaps. */
  readonly seq: number;
  readonly device: string;
  /** Ordinal of this device in this stream, from 1; the same in every run that gets the same messages. */
  readonly deviceSeq: number;
  /** Event time. */
  readonly time: number;
  /** When the gateway took it; never decreases along a stream. */
  readonly arrival: number;
  readonly flags: number;
  readonly value: T;
}

export interface StreamOptions<T> {
  readonly codec: RecordCodec<T>;
  /** Retention: the oldest segments go when the stream is larger or older. */
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  /** What gives way when `maxBytes` is reached by records that some cursor still needs, or the disk is full. */
  readonly whenFull: 'drop-oldest' | 'reject-new';
  /** Most devices a stream may have; further ones are refused. */
  readonly maxDevices: number;
  /** Whether this is a stream of the gateway's own making (results, aggregates, rejected, alarms). */
  readonly internal: boolean;
}

export interface JournalStream<T> {
  readonly name: string;
  /** Seq of the newest committed record; 0 when there never was one. */
  readonly head: number;
  /** Seq of the oldest record still kept; `head + 1` when none is. */
  readonly tail: number;
  /**
   * Queues records for the next group commit, all or nothing. `done` gets null after the commit, or a coded error
   * (`STORE_FULL`, `STORE_DEVICES`, `STOPPING`, …) when they were not stored. With `ops` the records and what these
   * do are one transaction: both are stored or neither.
   */
  append(
    records: readonly NewRecord<T>[],
    done: (error: Error | null) => void,
    ops?: readonly ModuleOp[],
  ): void;
  /**
   * Committed records with seq > `after`, oldest first, at most `limit` (and about 1 MiB). Answers synchronously with
   * an array when they are in the in-memory tail, else with a promise. When records after `after` are no longer kept,
   * the result starts at the oldest kept. Damaged records are skipped, counted and alarmed.
   */
  read(after: number, limit: number): JournalRecord<T>[] | Promise<JournalRecord<T>[]>;
  /** Called once after each commit that holds records of this stream. Returns the function that ends it. */
  onCommit(listener: () => void): () => void;
  /** Devices seen, with count and last times; bounded by `maxDevices`. */
  devices(): Iterable<DeviceEntry>;
  stats(): StreamStats;
}

export interface DeviceEntry {
  readonly device: string;
  readonly count: number;
  readonly lastSeq: number;
  readonly lastTime: number;
  readonly lastArrival: number;
}

export interface StreamStats {
  readonly records: number;
  readonly bytes: number;
  readonly head: number;
  readonly tail: number;
}

/** A consumer of a stream. */
export interface Reader {
  readonly consumer: string;
  readonly stream: string;
}

/** A consumer's place in a stream. It moves only through {@link Transaction}. */
export interface CursorPosition extends Reader {
  /** Everything up to and including this seq is done. */
  readonly seq: number;
}

/** Where a consumer goes on from. */
export interface CursorMove extends CursorPosition {
  /** Whether what the move passes over was given up (an outbox over its quota): it then counts as expired. */
  readonly expired?: boolean;
}

/**
 * One atomic unit of a consumer's work: outputs, cursor, state and billing commit together or not at all.
 */
export interface Transaction {
  /** Records appended to (internal) streams. */
  readonly appends?: readonly StreamAppend[];
  readonly cursors?: readonly CursorMove[];
  /** Snapshot rows per consumer and key; `bytes: null` deletes. `asOf` is the seq up to which the state is true. */
  readonly states?: readonly StateRow[];
  /** Statements of other modules, see {@link StoreModule}. */
  readonly ops?: readonly ModuleOp[];
}

export interface StreamAppend {
  readonly stream: string;
  // biome-ignore lint/suspicious/noExplicitAny: the codec of the named stream decides
  readonly records: readonly NewRecord<any>[];
}

export interface StateRow {
  readonly consumer: string;
  readonly key: string;
  readonly asOf: number;
  readonly bytes: Uint8Array | null;
}

export interface ModuleOp {
  /** `<module>.<op>` */
  readonly op: string;
  /** Structured-cloneable. */
  readonly args: unknown;
}

/**
 * A module that owns tables in the same database. The file is imported inside the writer thread; it must export
 * `storeModule: StoreModule`. Ops run inside the group transaction and must be deterministic and quick; an op that
 * throws a GatewayError-like `{code}` fails its own transaction (savepoint) and no other.
 */
export interface StoreModule {
  readonly name: string;
  /** SQL run once each, in order; the index is the schema version of the module. */
  readonly migrations: readonly string[];
  readonly ops: Readonly<Record<string, (db: import('node:sqlite').DatabaseSync, args: never) => unknown>>;
  /** Read-only, run between transactions. */
  readonly queries: Readonly<
    Record<string, (db: import('node:sqlite').DatabaseSync, args: never) => unknown>
  >;
}

export interface Store {
  /** Opens or creates a stream. Idempotent per name. Only before or after `start`; the codec stays for the life of the store. */
  stream<T>(name: string, options: StreamOptions<T>): JournalStream<T>;
  /** Existing streams in the file, also those no longer configured. */
  streams(): readonly string[];
  /**
   * Registers a consumer of a stream, so that retention waits for it (within `maxBytes`) and `audit` counts it.
   * Answers where to resume. A new consumer begins `at` the oldest kept record or the present head.
   */
  consumer(name: string, stream: string, at: 'oldest' | 'newest'): CursorPosition;
  /**
   * Forgets every consumer of a stream that is not in `keep`, because the configuration no longer has it, so that it
   * holds nothing back; and the states of consumers that read nothing any more.
   */
  retireConsumers(keep: readonly Reader[]): Promise<void>;
  /** All cursors, for status and audit. */
  cursors(): readonly (CursorPosition & { readonly expired: number })[];
  commit(transaction: Transaction): Promise<unknown[]>;
  /** Snapshot rows of a consumer. */
  states(consumer: string): Promise<{ key: string; asOf: number; bytes: Uint8Array }[]>;
  query<T>(name: string, args?: unknown): Promise<T>;
  audit(): Promise<AuditRow[]>;
  start(signal: AbortSignal): Promise<void>;
  /** Commits what is queued, checkpoints, closes. */
  stop(): Promise<void>;
  /** Bytes appended and not yet committed: doors stop reading above `highWater`. */
  readonly outstandingBytes: number;
  readonly highWater: number;
  readonly health: StoreHealth;
}

export interface StoreHealth {
  readonly full: boolean;
  readonly commits: number;
  readonly lastCommitMs: number;
  /** How long the commit under way has taken so far; 0 when none is. */
  readonly commitWaitMs: number;
  readonly recordsPerCommit: number;
  readonly damagedRecords: number;
  readonly quarantined: readonly string[];
  readonly fileBytes: number;
}

/** The accounting identity of one stream: `accepted = forwarded + pending + expired + rejected`. */
export interface AuditRow {
  readonly stream: string;
  /** Readings acknowledged since the stream exists: committed ones, and payloads kept as rejected. */
  readonly accepted: number;
  /** Passed by every consumer of the stream. A stream without consumers counts as passed when committed. */
  readonly forwarded: number;
  /** Counted in the journal, not yet passed by every consumer. */
  readonly pending: number;
  /** Given up by retention or damage before every consumer had passed them. */
  readonly expired: number;
  readonly rejected: number;
  readonly holds: boolean;
  /** The same identity seen from each consumer: processed + pending + expired = committed. */
  readonly consumers: readonly {
    readonly consumer: string;
    readonly processed: number;
    readonly pending: number;
    readonly expired: number;
  }[];
}
