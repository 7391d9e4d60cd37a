import fc from 'fast-check';
import { generate } from 'mqtt-packet';
import { expect, it } from 'vitest';
import { writePublish } from '../../../adapters/mqtt-broker/packet-memory.ts';

it('writes packets one behind the other, each as an independent encoder would', () => {
  const topic = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    // Around the places where the length field grows, in bytes and in characters.
    fc.integer({ min: 100, max: 130 }).map((n) => 'é'.repeat(n)),
    fc.integer({ min: 5440, max: 5470 }).map((n) => '€'.repeat(n)),
    fc.integer({ min: 16_330, max: 16_400 }).map((n) => 'x'.repeat(n)),
    fc.constant('y'.repeat(200_000)),
  );
  const payload = fc.oneof(
    text,
    text.map((one) => new Uint8Array(Buffer.from(one))),
  );
  fc.assert(
    fc.property(
      topic,
      payload,
      fc.constantFrom<0 | 1 | 2>(0, 1, 2),
      fc.boolean(),
      fc.boolean(),
      fc.integer({ min: 1, max: 65_535 }),
      (name, body, qos, retain, dup, packet) => {
        const { memory, from, to } = writePublish(name, body, qos, retain, dup, packet);
        const bytes = Buffer.from(memory.subarray(from, to));
        const expected = generate({
          cmd: 'publish',
          topic: name,
          payload: Buffer.from(body as string),
          qos,
          retain,
          dup: dup && qos > 0,
          ...(qos > 0 ? { messageId: packet } : {}),
        });
        expect(bytes.equals(expected)).toBe(true);
        const next = writePublish('t', 'p', 0, false, false, 0);
        if (next.memory === memory) expect(next.from).toBe(to);
      },
    ),
    { numRuns: 500, seed: 20261122 },
  );
});
