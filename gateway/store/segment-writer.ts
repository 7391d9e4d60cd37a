import type { GrowableBytes } from './bytes.ts';

/**
 * Layout of a segment: the records of one stream in one group commit. Little-endian.
 *
 *     head     crc32 u32 | head length u32 | version u8 | stream id u32 | first seq f64 | record count u32
 *              | arrival of the first record f64 | device count varint | { name string, base device seq varint }*
 *     record*  crc32 u32 | record length u32 | ordinal u16 | device u16 | device seq delta u16 | time f64
 *              | flags varint | arrival delta varint | body
 *     foot     (segments of two or more records) a copy of the head | head length u32
 *
 * Each checksum covers its head or record after the checksum itself. The copy of the head and the ordinal in each
 * record are what keeps a flipped bit from costing more than one record. The writer thread fills in the checksums.
 */
export const SEGMENT_VERSION = 1;
export const RECORD_FIXED_BYTES = 22;
export const HEAD_FIXED_BYTES = 33;
/** Ordinals, device numbers and device seq deltas are 16 bits. */
export const MAX_SEGMENT_RECORDS = 65_535;

export interface SegmentDevice {
  readonly name: string;
  /** Device seq of its first record in the segment. */
  readonly base: number;
}

export interface SegmentHead {
  readonly streamId: number;
  readonly firstSeq: number;
  readonly count: number;
  readonly firstArrival: number;
  readonly devices: readonly SegmentDevice[];
}

/** Begins a record; the caller then lets the codec write the body and calls {@link endRecord}. */
export function beginRecord(
  out: GrowableBytes,
  ordinal: number,
  device: number,
  deviceDelta: number,
  time: number,
  flags: number,
  arrivalDelta: number,
): number {
  const start = out.length;
  out.reserve(RECORD_FIXED_BYTES + 16);
  out.u32(0);
  out.u32(0);
  out.u16(ordinal);
  out.u16(device);
  out.u16(deviceDelta);
  out.f64(time);
  out.varint(flags);
  out.varint(arrivalDelta);
  return start;
}

export function endRecord(out: GrowableBytes, start: number): void {
  out.patchU32(start + 4, out.length - start);
}

/** Writes head, the finished `records` and the foot. Returns the number of bytes of the whole segment. */
export function writeSegment(out: GrowableBytes, head: SegmentHead, records: Uint8Array): number {
  const start = out.length;
  out.u32(0);
  out.u32(0);
  out.u8(SEGMENT_VERSION);
  out.u32(head.streamId);
  out.f64(head.firstSeq);
  out.u32(head.count);
  out.f64(head.firstArrival);
  out.varint(head.devices.length);
  for (const device of head.devices) {
    out.string(device.name);
    out.varint(device.base);
  }
  const length = out.length - start;
  out.patchU32(start + 4, length);
  out.bytes(records);
  if (head.count > 1) {
    out.reserve(length + 4);
    out.bytes(out.written(start).subarray(0, length));
    out.u32(length);
  }
  return out.length - start;
}
