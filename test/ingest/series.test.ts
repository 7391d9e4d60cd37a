import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from 'cbor2';
import { describe, expect, test } from 'vitest';
import { readingCodec } from '../../gateway/ingest/reading-codec.ts';
import { GrowableBytes } from '../../gateway/store/bytes.ts';
import { testData } from '../support/data.ts';
import { decode } from './support.ts';

const root = testData('nab');
const files = root
  ? readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.csv'))
  : [];
/** Rows of each series; the whole of them goes through the doors elsewhere. */
const ROWS = 3000;

describe.skipIf(root === null)('recorded series', () => {
  test.each(files)('%s is the same through every format and the journal', (name) => {
    const rows = readFileSync(join(root!, name), 'utf8')
      .trim()
      .split(/\r?\n/)
      .slice(1, ROWS + 1)
      .map((line) => line.split(',') as [string, string])
      .map(([at, value]) => ({ t: Date.parse(`${at.replace(' ', 'T')}Z`), value: Number(value) }));
    const fields = { value: {} };
    const time = { path: '$.t' };
    const shown = (readings: ReturnType<typeof decode>) =>
      readings.map((reading) => ({ t: reading.time, value: reading.value.values[0] }));
    const pack = rows.map(({ t, value }) => ({ n: 'value', t: t / 1000, v: value }));
    const bytes = new Uint8Array(Float64Array.from(rows, ({ value }) => value).buffer);

    const json = decode({ fields, time }, JSON.stringify(rows));
    expect(shown(json)).toEqual(rows);
    expect(shown(decode({ fields, time, decode: 'cbor' }, encode(rows)))).toEqual(rows);
    expect(shown(decode({ fields, decode: 'senml+json' }, JSON.stringify(pack)))).toEqual(rows);
    expect(shown(decode({ fields, decode: 'senml+cbor' }, encode(pack)))).toEqual(rows);
    expect(decode({ decode: 'raw', raw: { type: 'float64' } }, bytes)[0]!.value.values[0]).toEqual(
      Float64Array.from(rows, ({ value }) => value),
    );
    const out = new GrowableBytes();
    for (const [index, { value }] of json.entries()) {
      out.truncate(0);
      readingCodec.encode(value, out);
      expect(Object.is(readingCodec.decode(out.written()).values[0], rows[index]!.value)).toBe(true);
    }
  });
});
