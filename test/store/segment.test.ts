import { crc32 as reference } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, GrowableBytes } from '../../gateway/store/bytes.ts';
import { textCodec } from '../../gateway/store/codecs.ts';
import { crc32 } from '../../gateway/store/crc32.ts';
import { readSegment, sealSegment } from '../../gateway/store/segment-reader.ts';
import { beginRecord, endRecord, writeSegment } from '../../gateway/store/segment-writer.ts';

const SEED = { seed: 424242 };

interface Entry {
  readonly device: number;
  readonly time: number;
  readonly flags: number;
  readonly text: string;
}

const entries = fc.array(
  fc.record({
    device: fc.integer({ min: 0, max: 4 }),
    time: fc.double({ noNaN: true }),
    flags: fc.integer({ min: 0, max: 300 }),
    text: fc.string({ unit: 'binary', maxLength: 120 }),
  }),
  { minLength: 1, maxLength: 30 },
);

/** A sealed segment of the entries; devices `d0` to `d4`, the device seq of each beginning at ten times its number. */
function segmentOf(list: readonly Entry[]): Uint8Array {
  const records = new GrowableBytes(16);
  const order: number[] = [];
  const counts = new Map<number, number>();
  list.forEach((entry, ordinal) => {
    if (!order.includes(entry.device)) order.push(entry.device);
    const count = counts.get(entry.device) ?? 0;
    counts.set(entry.device, count + 1);
    const start = beginRecord(
      records,
      ordinal,
      order.indexOf(entry.device),
      count,
      entry.time,
      entry.flags,
      ordinal * 7,
    );
    textCodec.encode(entry.text, records);
    endRecord(records, start);
  });
  const devices = order.map((device) => ({ name: `d${device}`, base: device * 10 }));
  const out = new GrowableBytes(16);
  const head = { streamId: 3, firstSeq: 2 ** 40, count: list.length, firstArrival: 1.7e12, devices };
  writeSegment(out, head, records.written());
  const segment = Uint8Array.from(out.written());
  sealSegment(segment);
  return segment;
}

describe('bytes', () => {
  it('come back as they were written', () => {
    const values = fc.tuple(fc.maxSafeNat(), fc.double(), fc.string({ unit: 'binary' }), fc.uint8Array());
    fc.assert(
      fc.property(fc.array(values), (list) => {
        const out = new GrowableBytes(8);
        for (const [whole, real, text, bytes] of list) {
          out.varint(whole);
          out.f64(real);
          out.string(text);
          out.varint(bytes.length);
          out.bytes(bytes);
        }
        const reader = new ByteReader(out.written());
        for (const [whole, real, text, bytes] of list) {
          expect(reader.varint()).toBe(whole);
          expect(reader.f64()).toBe(real);
          expect(reader.string()).toBe(text);
          expect(Uint8Array.from(reader.bytes(reader.varint()))).toEqual(bytes);
        }
        expect(reader.remaining).toBe(0);
      }),
      SEED,
    );
  });

  it('are never read past their end', () => {
    expect(() => new ByteReader(new Uint8Array([5, 1])).string()).toThrow(RangeError);
    expect(() => new ByteReader(new Uint8Array(3)).u32()).toThrow(RangeError);
    expect(() => new ByteReader(new Uint8Array(12).fill(255)).varint()).toThrow(RangeError);
  });

  it('have the checksum that zlib gives them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(20), (bytes, start) => {
        const from = Math.min(start, bytes.length);
        expect(crc32(bytes, from, bytes.length)).toBe(reference(bytes.subarray(from)));
      }),
      SEED,
    );
  });
});

describe('segments', () => {
  it('give back every record', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const content = readSegment(segmentOf(list));
        expect(content?.damaged).toEqual([]);
        expect(content?.head).toMatchObject({ streamId: 3, firstSeq: 2 ** 40, count: list.length });
        const seen = new Map<string, number>();
        content?.records.forEach((record, ordinal) => {
          const entry = list[ordinal]!;
          const count = seen.get(record.device) ?? 0;
          seen.set(record.device, count + 1);
          expect(record).toMatchObject({
            ordinal,
            device: `d${entry.device}`,
            deviceSeq: entry.device * 10 + count,
            time: entry.time,
            arrival: 1.7e12 + ordinal * 7,
            flags: entry.flags,
          });
          expect(textCodec.decode(record.body)).toBe(entry.text);
        });
      }),
      SEED,
    );
  });

  it('lose at most one record to a flipped bit, wherever it is, and say which', () => {
    fc.assert(
      fc.property(entries, fc.double({ min: 0, max: 0.999999, noNaN: true }), (list, place) => {
        const segment = segmentOf(list);
        const bit = Math.floor(place * segment.length * 8);
        segment[bit >> 3]! ^= 1 << (bit & 7);
        const content = readSegment(segment);
        if (content === null) {
          // The head of a single record has no copy.
          expect(list.length).toBe(1);
          return;
        }
        expect(content.damaged.length).toBeLessThanOrEqual(1);
        expect(content.records.length + content.damaged.length).toBe(list.length);
        for (const record of content.records) {
          expect(textCodec.decode(record.body)).toBe(list[record.ordinal]!.text);
        }
      }),
      { ...SEED, numRuns: 500 },
    );
  });

  it('are never read wrongly, whatever is in them', () => {
    fc.assert(
      fc.property(entries, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 40 }), (list, changes) => {
        const segment = segmentOf(list);
        for (const [at, value] of changes) segment[at % segment.length] = value;
        for (const record of readSegment(segment)?.records ?? []) {
          expect(textCodec.decode(record.body)).toBe(list[record.ordinal]!.text);
        }
      }),
      { ...SEED, numRuns: 500 },
    );
  });
});
