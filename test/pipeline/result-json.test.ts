import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ResultText } from '../../gateway/pipeline/result-json.ts';
import { TextBytes } from '../../gateway/system/text-bytes.ts';
import { columnsOf } from './fake-models.ts';

const MODEL = { name: 'm "1"', version: '1.0.0', sha256: 'ff' };

test('equals JSON.stringify of the document, whatever names and values', () => {
  const number = fc.double({ noNaN: true, noDefaultInfinity: true });
  // A list of one is written as its one value.
  const several = { minLength: 2, maxLength: 5 };
  const value = fc.oneof(
    number,
    fc.string(),
    fc.boolean(),
    fc.array(number, several),
    fc.array(fc.string(), several),
  );
  const name = fc.string().filter((text) => text !== '__proto__');
  fc.assert(
    fc.property(
      fc.string(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.nat(),
      fc.dictionary(name, value, { noNullPrototype: true }),
      (device, time, ordinal, outputs) => {
        const text = new ResultText('gw/p', 'p');
        text.use(MODEL);
        const id = `gw/p/${device}/${time}-${ordinal}`;
        const expected = JSON.stringify({ id, pipeline: 'p', device, time, model: MODEL, outputs });
        const out = new TextBytes(16);
        text.writeDocument(out, device, time, ordinal, columnsOf(outputs), 0);
        expect(JSON.parse(out.text(0, out.length))).toEqual(JSON.parse(expected));
        expect(text.id(device, time, ordinal)).toBe(id);
      },
    ),
    { seed: 61, numRuns: 500 },
  );
});
