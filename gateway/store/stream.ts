import { GatewayError } from '../errors.ts';
import { GrowableBytes } from './bytes.ts';
import { type DeviceState, DeviceTable } from './devices.ts';
import type {
  CallAnswers,
  DeviceRow,
  LoadedStream,
  SegmentBytes,
  StreamFigures,
  StreamTerms,
} from './protocol.ts';
import { Entry } from './record.ts';
import { readSegment } from './segment-reader.ts';
import { beginRecord, endRecord, MAX_SEGMENT_RECORDS, writeSegment } from './segment-writer.ts';
import { StreamTail } from './tail.ts';
import type {
  DeviceEntry,
  JournalRecord,
  JournalStream,
  ModuleOp,
  NewRecord,
  StreamOptions,
  StreamStats,
} from './types.ts';

/** About how much one read from disk brings, see {@link JournalStream.read}. */
const READ_BYTES = 1024 * 1024;
/** A stream's encoding buffer that grew beyond this is given back when little of it is used. */
const IDLE_BUFFER_BYTES = 128 * 1024;

const NO_OPS: readonly ModuleOp[] = [];

/** What a stream needs of the store that owns it. */
export interface StreamHost {
  now(): number;
  append(
    stream: Stream<unknown>,
    records: readonly NewRecord<unknown>[],
    done: (error: Error | null) => void,
    ops: readonly ModuleOp[],
  ): void;
  readSegments(
    stream: Stream<unknown>,
    after: number,
    limit: number,
    bytes: number,
  ): Promise<CallAnswers['read']>;
  damaged(stream: Stream<unknown>, seqs: readonly number[]): void;
}

/** The records of one stream in one group, encoded as they come. */
export interface FormingSegment {
  readonly id: number;
  readonly stream: Stream<unknown>;
  readonly firstSeq: number;
  readonly firstArrival: number;
  readonly records: JournalRecord<unknown>[];
  readonly devices: DeviceState[];
  /** Device seq of the first record of each device. A device may be in several segments that still wait. */
  readonly bases: number[];
  readonly out: GrowableBytes;
}

/** How much a segment held at some moment. */
export interface SegmentMark {
  readonly length: number;
  readonly records: number;
  readonly devices: number;
}

export function markOf(segment: FormingSegment): SegmentMark {
  return {
    length: segment.out.length,
    records: segment.records.length,
    devices: segment.devices.length,
  };
}

let segmentIds = 0;

/** The record itself where it has no place yet, else a copy. */
function unplaced<T>(record: NewRecord<T>): Entry<T> {
  if (record instanceof Entry && record.seq === 0) return record;
  return new Entry(record.device, record.time, record.flags, record.value);
}

/** One journal stream on the main thread: numbers and encodes what is appended, answers reads. */
export class Stream<T> implements JournalStream<T> {
  readonly name: string;
  /** Assigned when the store starts. */
  id = 0;
  readonly options: StreamOptions<T>;
  readonly tailRecords = new StreamTail();
  readonly #host: StreamHost;
  readonly #devices: DeviceTable;
  readonly #listeners = new Set<() => void>();
  #spare: GrowableBytes | undefined;
  #nextSeq = 1;
  #lastArrival = 0;
  #committedArrival = 0;
  #figures: StreamFigures;
  /** Whether anybody reads it, so that its newest records are worth keeping in memory. */
  followed = false;

  constructor(name: string, options: StreamOptions<T>, host: StreamHost) {
    this.name = name;
    this.options = options;
    this.#host = host;
    this.#devices = new DeviceTable(name, options.maxDevices);
    this.#figures = { id: 0, head: 0, tail: 1, records: 0, bytes: 0, full: false };
  }

  get terms(): StreamTerms {
    const { maxBytes, maxAgeMs, whenFull } = this.options;
    return { id: this.id, name: this.name, maxBytes, maxAgeMs, whenFull };
  }

  get head(): number {
    return this.#figures.head;
  }

  get tail(): number {
    return this.#figures.tail;
  }

  get full(): boolean {
    return this.#figures.full;
  }

  append(
    records: readonly NewRecord<T>[],
    done: (error: Error | null) => void,
    ops: readonly ModuleOp[] = NO_OPS,
  ): void {
    this.#host.append(this as Stream<unknown>, records, done, ops);
  }

  read(after: number, limit: number): JournalRecord<T>[] | Promise<JournalRecord<T>[]> {
    if (after >= this.head || limit <= 0) return [];
    const from = Math.max(after, this.tail - 1, 0);
    const recent = this.tailRecords.read(from, limit);
    // Nothing means "nothing is left up to the head" to a reader, so memory alone may not say that.
    if (recent !== undefined && recent.length > 0) return recent as JournalRecord<T>[];
    return this.#readSegments(from, limit);
  }

  onCommit(listener: () => void): () => void {
    this.followed = true;
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  devices(): Iterable<DeviceEntry> {
    return this.#devices.committed();
  }

  stats(): StreamStats {
    const { records, bytes, head, tail } = this.#figures;
    return { records, bytes, head, tail };
  }

  /** Takes over what the database holds. */
  load(loaded: LoadedStream): void {
    this.#devices.load(loaded.devices, loaded.devicesAsOf);
    this.#committedArrival = loaded.lastArrival;
    this.setFigures(loaded);
    this.rewind();
  }

  setFigures(figures: StreamFigures): void {
    this.#figures = figures;
  }

  /** Forgets the numbering of what was queued and not committed. */
  rewind(): void {
    this.#nextSeq = this.head + 1;
    this.#lastArrival = this.#committedArrival;
  }

  begin(): FormingSegment {
    const out = this.#spare ?? new GrowableBytes();
    this.#spare = undefined;
    this.#lastArrival = Math.max(this.#lastArrival, Math.floor(this.#host.now()));
    return {
      id: ++segmentIds,
      stream: this as Stream<unknown>,
      firstSeq: this.#nextSeq,
      firstArrival: this.#lastArrival,
      records: [],
      devices: [],
      bases: [],
      out,
    };
  }

  /**
   * Numbers and encodes records at the end of the segment, all or none.
   * @throws GatewayError STORE_DEVICES or STORE_RECORD, with the segment as it was
   */
  encode(segment: FormingSegment, records: readonly NewRecord<T>[]): void {
    const { out } = segment;
    const { codec } = this.options;
    if (segment.records.length + records.length > MAX_SEGMENT_RECORDS) throw this.#tooMany(records.length);
    const mark = markOf(segment);
    const arrival = Math.max(this.#lastArrival, Math.floor(this.#host.now()));
    const delta = arrival - segment.firstArrival;
    try {
      for (const record of records) {
        const device = this.#devices.get(record.device);
        const deviceSeq = ++device.next;
        if (device.segment !== segment.id) {
          device.segment = segment.id;
          device.index = segment.devices.length;
          device.base = deviceSeq;
          segment.devices.push(device);
          segment.bases.push(deviceSeq);
        }
        const ordinal = segment.records.length;
        const entry = unplaced(record);
        entry.seq = segment.firstSeq + ordinal;
        entry.deviceSeq = deviceSeq;
        entry.arrival = arrival;
        segment.records.push(entry);
        const start = beginRecord(
          out,
          ordinal,
          device.index,
          deviceSeq - device.base,
          record.time,
          record.flags,
          delta,
        );
        codec.encode(record.value, out);
        endRecord(out, start);
      }
    } catch (error) {
      this.#trim(segment, mark);
      if (error instanceof GatewayError) throw error;
      throw new GatewayError('STORE_RECORD', `store: a record of ${this.name} could not be encoded`, {
        cause: error,
      });
    }
    this.#lastArrival = arrival;
    this.#nextSeq += records.length;
  }

  /** Takes records off the end of a segment again. */
  undo(segment: FormingSegment, mark: SegmentMark): void {
    this.#nextSeq -= segment.records.length - mark.records;
    this.#trim(segment, mark);
  }

  /** Writes the finished segment into the buffer of the group; returns where and what. */
  finish(segment: FormingSegment, group: GrowableBytes) {
    const offset = group.length;
    const { out, records, firstSeq, firstArrival } = segment;
    const length = writeSegment(
      group,
      {
        streamId: this.id,
        firstSeq,
        count: records.length,
        firstArrival,
        devices: segment.devices.map(({ device }, index) => ({ name: device, base: segment.bases[index]! })),
      },
      out.written(),
    );
    const lastArrival = records[records.length - 1]!.arrival;
    this.#reuse(out);
    return { streamId: this.id, firstSeq, count: records.length, firstArrival, lastArrival, offset, length };
  }

  /** Called once the records are committed. */
  committed(records: readonly JournalRecord<unknown>[]): void {
    this.#devices.count(records);
    this.#committedArrival = records[records.length - 1]!.arrival;
  }

  /** Called when the records will not be committed, or will be numbered anew. */
  abandon(segment: FormingSegment): void {
    this.#devices.takeBack(segment.records);
    for (const device of segment.devices) device.segment = 0;
  }

  notify(onError: (error: unknown) => void): void {
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        onError(error);
      }
    }
  }

  /** See {@link DeviceTable.sweep}. */
  sweepDevices(every: number, limit: number, into: DeviceRow[]): number | undefined {
    return this.#devices.sweep(this.id, this.head, every, limit, into);
  }

  #tooMany(records: number): GatewayError {
    return new GatewayError('STORE_RECORD', `store: too many records for ${this.name} at once`, {
      received: records,
      expected: `at most ${MAX_SEGMENT_RECORDS} in one group`,
    });
  }

  #trim(segment: FormingSegment, mark: SegmentMark): void {
    segment.out.truncate(mark.length);
    this.#devices.takeBack(segment.records.splice(mark.records));
    segment.bases.length = mark.devices;
    for (const device of segment.devices.splice(mark.devices)) device.segment = 0;
  }

  #reuse(out: GrowableBytes): void {
    if (out.capacity > IDLE_BUFFER_BYTES && out.length < out.capacity / 4) return;
    out.truncate(0);
    this.#spare = out;
  }

  async #readSegments(after: number, limit: number): Promise<JournalRecord<T>[]> {
    let from = after;
    for (;;) {
      const { segments } = await this.#host.readSegments(this as Stream<unknown>, from, limit, READ_BYTES);
      const found: JournalRecord<T>[] = [];
      for (const segment of segments) this.#decode(segment, from, limit, found);
      const last = segments[segments.length - 1];
      if (found.length > 0 || last === undefined) return found;
      // Everything in there was damaged: go on behind it.
      from = last.firstSeq + last.count - 1;
      if (from >= this.head) return [];
    }
  }

  #decode(segment: SegmentBytes, after: number, limit: number, found: JournalRecord<T>[]): void {
    const content = readSegment(segment.bytes);
    const { firstSeq, count } = segment;
    const head = content?.head;
    if (content === null || head?.streamId !== this.id || head.firstSeq !== firstSeq) {
      this.#host.damaged(this as Stream<unknown>, seqsOf(firstSeq, count));
      return;
    }
    const damaged = content.damaged.map((ordinal) => firstSeq + ordinal);
    for (const record of content.records) {
      const seq = firstSeq + record.ordinal;
      if (seq <= after) continue;
      if (found.length >= limit) break;
      const { device, deviceSeq, time, arrival, flags } = record;
      try {
        const value = this.options.codec.decode(record.body);
        found.push({ seq, device, deviceSeq, time, arrival, flags, value });
      } catch {
        // The bytes are what was written, so this codec cannot read what an older one wrote: as good as damaged.
        damaged.push(seq);
      }
    }
    if (damaged.length > 0) this.#host.damaged(this as Stream<unknown>, damaged);
  }
}

function seqsOf(firstSeq: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => firstSeq + index);
}
