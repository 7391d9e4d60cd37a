import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CONTROL, FrameReader, jsonBody, jsonFrame, OK, readHeader } from '../../gateway/inference/frames.ts';

const SEED = 20260603;

test(`frames come out whole and aligned, however the bytes are cut (seed ${SEED})`, () => {
  const value = fc.string({ maxLength: 300 });
  fc.assert(
    fc.property(
      fc.array(value, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 200 })),
      (values, cuts) => {
        const bytes = Buffer.concat(values.map((text, id) => jsonFrame(CONTROL, id, OK, { text })));
        const found: unknown[] = [];
        const reader = new FrameReader((frame) => {
          expect(frame.byteOffset % 8).toBe(0);
          expect(readHeader(frame).id).toBe(found.length);
          found.push((jsonBody(frame) as { text: string }).text);
        });
        let at = 0;
        for (let i = 0; at < bytes.length; i++) {
          const size = cuts[i] ?? bytes.length;
          reader.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(found).toEqual(values);
      },
    ),
    { seed: SEED },
  );
});

test('a large frame in many pieces', () => {
  const text = 'x'.repeat(3_000_000);
  const bytes = jsonFrame(CONTROL, 1, OK, { text });
  let found: unknown;
  const reader = new FrameReader((frame) => {
    found = jsonBody(frame);
  });
  for (let at = 0; at < bytes.length; at += 65_536) reader.push(bytes.subarray(at, at + 65_536));
  expect(found).toEqual({ text });
});

test('bytes that are no frame are refused', () => {
  const reader = new FrameReader(() => undefined);
  expect(() => reader.push(Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0))).toThrow(RangeError);
  expect(() => reader.push(Uint8Array.of(255, 255, 255, 255))).toThrow(RangeError);
});
