import {
  ALARM_STREAM,
  aggregateId,
  aggregateStream,
  type Kind,
  RECEIPT_STREAM,
  rejectedRecords,
  rejectedStream,
  rejectedWindows,
  resultStream,
} from '../config/names.ts';
import type { AggregateConfig, Config, PipelineConfig } from '../config/schema.ts';
import { textCodec } from '../store/codecs.ts';
import type { JournalStream, Store } from '../store/types.ts';

/**
 * The journal streams of the gateway's own documents: JSON texts, exactly as they are published. Each is opened here
 * and nowhere else, so that all who share one agree on how long it keeps what.
 */

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

/** What cannot be used is for people to look at: the newest of it is worth keeping, not all. */
const REJECTED = { maxBytes: 16 * MIB, maxAgeMs: 30 * DAY_MS };
const AGGREGATES = { maxBytes: 64 * MIB, maxAgeMs: 30 * DAY_MS };
const ALARMS = { maxBytes: 4 * MIB, maxAgeMs: 90 * DAY_MS };
const RECEIPTS = { maxBytes: 64 * MIB, maxAgeMs: 30 * DAY_MS };

interface Retention {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

type Documents = JournalStream<string>;

export const openResults = (store: Store, config: Config, { id, keep }: PipelineConfig): Documents =>
  open(store, config, resultStream(id), outbox(config, 'results', ofKeep(keep)));

export const openAggregate = (store: Store, config: Config, aggregate: AggregateConfig): Documents =>
  open(store, config, aggregateStream(aggregateId(aggregate)), outbox(config, 'aggregates', AGGREGATES));

export const openAlarms = (store: Store, config: Config): Documents =>
  open(store, config, ALARM_STREAM, outbox(config, 'alarms', ALARMS));

export const openReceipts = (store: Store, config: Config): Documents =>
  open(store, config, RECEIPT_STREAM, outbox(config, 'receipts', RECEIPTS));

/** Payloads of a stream that could not be decoded. */
export const openRejected = (store: Store, config: Config, stream: string): Documents =>
  open(store, config, rejectedStream(stream), REJECTED);

/** Windows that the model of a pipeline refused. */
export const openRejectedWindows = (store: Store, config: Config, { id, keep }: PipelineConfig): Documents =>
  open(store, config, rejectedWindows(id), { ...REJECTED, maxAgeMs: keep.maxAge });

/** Records that the receiver behind a sink refused for good. */
export const openRejectedRecords = (store: Store, config: Config, sink: string): Documents =>
  open(store, config, rejectedRecords(sink), REJECTED);

const ofKeep = ({ maxBytes, maxAge }: PipelineConfig['keep']): Retention => ({ maxBytes, maxAgeMs: maxAge });

/** A stream is its own outbox: it must be able to hold what the largest outbox that sends it may. */
function outbox(config: Config, kind: Kind, own: Retention): Retention {
  const sending = config.upstream.filter(({ send }) => send.includes(kind));
  return { ...own, maxBytes: Math.max(own.maxBytes, ...sending.map(({ buffer }) => buffer.maxBytes)) };
}

const open = (store: Store, config: Config, name: string, retention: Retention): Documents =>
  store.stream(name, {
    codec: textCodec,
    ...retention,
    whenFull: 'drop-oldest',
    maxDevices: config.limits.maxDevices,
    internal: true,
  });
