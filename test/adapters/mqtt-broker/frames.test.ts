import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameCutter } from '../../../adapters/mqtt-broker/frames.ts';

const seed = 20260601;

function packet(type: number, body: Uint8Array): Buffer {
  const head = [type << 4];
  let rest = body.length;
  do {
    const byte = rest & 127;
    rest >>= 7;
    head.push(rest > 0 ? byte | 128 : byte);
  } while (rest > 0);
  return Buffer.concat([Buffer.from(head), body]);
}

const packets = fc.array(
  fc.tuple(fc.integer({ min: 1, max: 14 }), fc.uint8Array({ maxLength: 400 })).map(([t, b]) => packet(t, b)),
  { maxLength: 20 },
);

describe('FrameCutter', () => {
  test('gives back the same packets however the bytes are cut', () => {
    fc.assert(
      fc.property(packets, fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (sent, cuts) => {
        const got: Buffer[] = [];
        const cutter = new FrameCutter(1000, (data, start, body, end) => {
          expect(body).toBeGreaterThan(start + 1);
          got.push(Buffer.from(data.subarray(start, end)));
          return true;
        });
        const bytes = Buffer.concat(sent);
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = cuts[i % cuts.length]!;
          expect(cutter.push(bytes.subarray(at, at + size))).toBeNull();
          at += size;
        }
        expect(got).toEqual(sent);
      }),
      { seed },
    );
  });

  test('keeps what is left when its listener has enough, and goes on from there', () => {
    fc.assert(
      fc.property(packets, fc.array(fc.boolean(), { minLength: 1 }), (sent, pauses) => {
        const got: Buffer[] = [];
        const cutter = new FrameCutter(1000, (data, start, _body, end) => {
          got.push(Buffer.from(data.subarray(start, end)));
          return !pauses[got.length % pauses.length];
        });
        for (const bytes of sent) cutter.push(bytes);
        for (let i = 0; i < sent.length; i++) cutter.resume();
        expect(got).toEqual(sent);
      }),
      { seed },
    );
  });

  test('tells a packet that is too large before it has come, and a length field of five bytes', () => {
    const listener = () => true;
    expect(new FrameCutter(1000, listener).push(Buffer.from([0x30, 0xff, 0x7f, 0]))).toBe('too large');
    expect(new FrameCutter(1000, listener).push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff]))).toBe('length');
    const slow = new FrameCutter(1000, listener);
    const faults = [0x30, 0xff, 0xff, 0xff, 0xff].map((byte) => slow.push(Buffer.from([byte])));
    expect(faults.at(-1)).toBe('length');
  });
});
