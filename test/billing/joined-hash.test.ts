import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { joinedSha256 } from '../../gateway/billing/metering/joined-hash.ts';

const whole = (texts: readonly string[], separator: string): string =>
  createHash('sha256').update(texts.join(separator), 'utf8').digest('hex');

const joined = (texts: readonly string[], separator: string): string =>
  Buffer.from(joinedSha256(texts.length, separator, (index) => texts[index]!)).toString('hex');

it('is the hash of the texts as one text, whatever is in them', () => {
  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.constant('é'.repeat(9000)));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 40 }), fc.constantFrom('\n', '\u001e'), (texts, separator) => {
      expect(joined(texts, separator)).toBe(whole(texts, separator));
    }),
    { numRuns: 200, seed: 20261122 },
  );
});

it('takes texts longer than what it gathers', () => {
  const texts = ['a', 'b'.repeat(1_000_000), 'c'.repeat(65_536), '', 'd'];
  expect(joined(texts, '\n')).toBe(whole(texts, '\n'));
});
