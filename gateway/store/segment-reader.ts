import { ByteReader } from './bytes.ts';
import { crc32 } from './crc32.ts';
import {
  HEAD_FIXED_BYTES,
  RECORD_FIXED_BYTES,
  SEGMENT_VERSION,
  type SegmentDevice,
  type SegmentHead,
} from './segment-writer.ts';

/** Fills in the checksums of a segment that {@link writeSegment} laid out. */
export function sealSegment(segment: Uint8Array): void {
  const view = viewOf(segment);
  const headLength = view.getUint32(4, true);
  const count = view.getUint32(21, true);
  const end = count > 1 ? segment.length - headLength - 4 : segment.length;
  const headCrc = crc32(segment, 4, headLength);
  view.setUint32(0, headCrc, true);
  if (count > 1) view.setUint32(end, headCrc, true);
  for (let at = headLength; at < end; ) {
    const length = view.getUint32(at + 4, true);
    view.setUint32(at, crc32(segment, at + 4, at + length), true);
    at += length;
  }
}

/** One record as found in a segment; `body` is a view. */
export interface StoredRecord {
  readonly ordinal: number;
  readonly device: string;
  readonly deviceSeq: number;
  readonly time: number;
  readonly arrival: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

/** What a segment still holds. `damaged` lists the ordinals whose records are lost. */
export interface SegmentContent {
  readonly head: SegmentHead;
  readonly records: StoredRecord[];
  readonly damaged: number[];
}

/**
 * Checks and parses a segment, stepping over damage: a record whose checksum fails is skipped, and reading goes on at
 * the next place where a valid one begins.
 * @returns null when neither copy of the head can be trusted: then nothing of the segment can.
 */
export function readSegment(segment: Uint8Array): SegmentContent | null {
  const found = findHead(segment);
  if (found === null) return null;
  const { head, start, end } = found;
  const view = viewOf(segment);
  const reader = new ByteReader(segment);
  const records: StoredRecord[] = [];
  let next = 0;
  for (let at = start; at < end && next < head.count; ) {
    const length = validRecord(segment, view, at, end, next, head.count);
    if (length === 0) {
      at = resync(segment, view, at, end, next, head.count);
      continue;
    }
    const record = parseRecord(segment, view, reader, at, length, head);
    if (record !== null) {
      records.push(record);
      next = record.ordinal + 1;
    }
    at += length;
  }
  return { head, records, damaged: missing(records, head.count) };
}

function findHead(segment: Uint8Array): { head: SegmentHead; start: number; end: number } | null {
  const front = parseHead(segment, 0);
  if (front !== null) {
    const foot = front.head.count > 1 ? front.length + 4 : 0;
    return { head: front.head, start: front.length, end: Math.max(front.length, segment.length - foot) };
  }
  if (segment.length < 2 * HEAD_FIXED_BYTES + 4) return null;
  // A flipped bit in the first copy leaves the second one and its length whole.
  const length = viewOf(segment).getUint32(segment.length - 4, true);
  const at = segment.length - 4 - length;
  if (at < length) return null;
  const back = parseHead(segment, at);
  return back === null ? null : { head: back.head, start: length, end: at };
}

function parseHead(segment: Uint8Array, at: number): { head: SegmentHead; length: number } | null {
  if (segment.length - at < HEAD_FIXED_BYTES) return null;
  const view = viewOf(segment);
  const length = view.getUint32(at + 4, true);
  if (length < HEAD_FIXED_BYTES || at + length > segment.length) return null;
  if (view.getUint32(at, true) !== crc32(segment, at + 4, at + length)) return null;
  const reader = new ByteReader(segment, at + 8);
  if (reader.u8() !== SEGMENT_VERSION) return null;
  const streamId = reader.u32();
  const firstSeq = reader.f64();
  const count = reader.u32();
  const firstArrival = reader.f64();
  const devices: SegmentDevice[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    devices.push({ name: reader.string(), base: reader.varint() });
  }
  return { head: { streamId, firstSeq, count, firstArrival, devices }, length };
}

/** Length of the valid record at `at`, 0 when there is none. */
function validRecord(
  segment: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  fromOrdinal: number,
  count: number,
): number {
  if (end - at < RECORD_FIXED_BYTES) return 0;
  const length = view.getUint32(at + 4, true);
  if (length < RECORD_FIXED_BYTES || at + length > end) return 0;
  const ordinal = view.getUint16(at + 8, true);
  if (ordinal < fromOrdinal || ordinal >= count) return 0;
  return view.getUint32(at, true) === crc32(segment, at + 4, at + length) ? length : 0;
}

/** Where the next valid record begins after damage at `at`; `end` when there is none. */
function resync(
  segment: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  fromOrdinal: number,
  count: number,
): number {
  for (let candidate = at + 1; candidate < end; candidate++) {
    if (validRecord(segment, view, candidate, end, fromOrdinal, count) > 0) return candidate;
  }
  return end;
}

function parseRecord(
  segment: Uint8Array,
  view: DataView,
  reader: ByteReader,
  at: number,
  length: number,
  head: SegmentHead,
): StoredRecord | null {
  const device = head.devices[view.getUint16(at + 10, true)];
  if (device === undefined) return null;
  reader.at = at + RECORD_FIXED_BYTES;
  const flags = reader.varint();
  const arrival = head.firstArrival + reader.varint();
  return {
    ordinal: view.getUint16(at + 8, true),
    device: device.name,
    deviceSeq: device.base + view.getUint16(at + 12, true),
    time: view.getFloat64(at + 14, true),
    arrival,
    flags,
    body: segment.subarray(reader.at, at + length),
  };
}

function missing(records: readonly StoredRecord[], count: number): number[] {
  if (records.length === count) return [];
  const present = new Set(records.map((record) => record.ordinal));
  return Array.from({ length: count }, (_, ordinal) => ordinal).filter((ordinal) => !present.has(ordinal));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
