import { encode } from 'cbor2';
import { describe, expect, test } from 'vitest';
import { FLAG_TIME_REPLACED } from '../../gateway/ports/reading.ts';
import { ARRIVAL, codeOf, decode, fieldsOf } from './support.ts';

const json = (
  pack: unknown,
  settings: Record<string, unknown> = {},
  device: string | undefined = undefined,
) => decode({ decode: 'senml+json', ...settings }, JSON.stringify(pack), { device });

const shown = (readings: ReturnType<typeof json>) =>
  readings.map((reading) => [reading.device, reading.time, fieldsOf(reading)]);

describe('RFC 8428 examples', () => {
  test('§5.1.1 single data point', () => {
    const pack = [{ n: 'urn:dev:ow:10e2073a01080063', u: 'Cel', v: 23.1 }];
    expect(shown(json(pack))).toEqual([['s', ARRIVAL, { 'urn:dev:ow:10e2073a01080063': 23.1 }]]);
    expect(
      shown(json(pack, { fields: { value: { path: 'urn:dev:ow:10e2073a01080063', unit: 'K' } } })),
    ).toEqual([['s', ARRIVAL, { value: 23.1 + 273.15 }]]);
  });

  test('§5.1.2 multiple data points', () => {
    const pack = [
      { bn: 'urn:dev:ow:10e2073a01080063:', n: 'voltage', u: 'V', v: 120.1 },
      { n: 'current', u: 'A', v: 1.2 },
    ];
    expect(shown(json(pack))).toEqual([
      ['urn:dev:ow:10e2073a01080063', ARRIVAL, { voltage: 120.1, current: 1.2 }],
    ]);
  });

  test('§5.1.2 with base time, unit and version, times before the base', () => {
    const pack = [
      {
        bn: 'urn:dev:ow:10e2073a0108006:',
        bt: 1.276020076001e9,
        bu: 'A',
        bver: 5,
        n: 'voltage',
        u: 'V',
        v: 120.1,
      },
      { n: 'current', t: -5, v: 1.2 },
      { n: 'current', t: -4, v: 1.3 },
      { n: 'current', v: 1.7 },
    ];
    const device = 'urn:dev:ow:10e2073a0108006';
    expect(shown(json(pack))).toEqual([
      [device, 1276020076001, { voltage: 120.1, current: 1.7 }],
      [device, 1276020071001, { current: 1.2 }],
      [device, 1276020072001, { current: 1.3 }],
    ]);
  });

  test('§5.1.5 several kinds of values', () => {
    const pack = [
      { bn: 'urn:dev:ow:10e2073a01080063:', n: 'temp', u: 'Cel', v: 23.1 },
      { n: 'label', vs: 'Machine Room' },
      { n: 'open', vb: false },
      { n: 'nfv', vd: 'aGkgCg' },
    ];
    expect(fieldsOf(json(pack)[0])).toEqual({
      temp: 23.1,
      label: 'Machine Room',
      open: false,
      nfv: Uint8Array.of(0x68, 0x69, 0x20, 0x0a),
    });
  });

  test('§6 CBOR with integer labels, and decimal fractions', () => {
    const pack = Buffer.from(
      // §6, the pack of figure 5 with "bn" (-2), "bt" (-3), "bu" (-4), "bver" (-1).
      '82a721781b75726e3a6465763a6f773a3130653230373361303130383030363a22fb41d303a15b00106223614120050067766f6c7461676501615602fb405e066666666666a3006763757272656e74062402fb3ff3333333333333',
      'hex',
    );
    const readings = decode({ decode: 'senml+cbor' }, pack, { device: undefined });
    expect(readings.map((r) => [r.device, r.time, fieldsOf(r)])).toEqual([
      ['urn:dev:ow:10e2073a0108006', 1276020076001, { voltage: 120.1 }],
      ['urn:dev:ow:10e2073a0108006', 1276020071001, { current: 1.2 }],
    ]);
  });
});

describe('resolving', () => {
  test('small times are relative to now (§4.5.3)', () => {
    const at = (t: number) => json([{ n: 'x', v: 1, t }])[0]!;
    expect(at(0).time).toBe(ARRIVAL);
    expect(at(-2.5).time).toBe(ARRIVAL - 2500);
    expect(at(60).time).toBe(ARRIVAL + 60_000);
    expect(at(2 ** 28 - 1)).toMatchObject({ time: ARRIVAL, flags: FLAG_TIME_REPLACED });
    expect(at(2 ** 28).time).toBe(2 ** 28 * 1000);
  });

  test('base value and sum are added, a missing one counts as zero (§4.5.4)', () => {
    const pack = [
      { bn: 'd:', bv: 20, bs: 100, n: 'a', v: 1.5 },
      { n: 'b', s: 5 },
      { n: 'c', vs: 'text' },
    ];
    expect(fieldsOf(json(pack)[0])).toEqual({
      a: 21.5,
      'a.sum': 100,
      b: 20,
      'b.sum': 105,
      c: 'text',
      'c.sum': 100,
    });
  });

  test('records of base fields alone measure nothing', () => {
    expect(
      shown(
        json([
          { bn: 'dev1:', bu: 'Cel', bver: 10 },
          { n: 't', v: 1 },
        ]),
      ),
    ).toEqual([['dev1', ARRIVAL, { t: 1 }]]);
    expect(codeOf(() => json([{ bn: 'dev1:' }]))).toBe('DECODE_EMPTY');
  });

  test('a name that comes twice at one time makes two readings', () => {
    const pack = [
      { bn: 'd:', n: 'x', v: 1 },
      { n: 'y', v: 2 },
      { n: 'x', v: 3 },
    ];
    expect(json(pack).map(fieldsOf)).toEqual([{ x: 1, y: 2 }, { x: 3 }]);
  });

  test('the device comes from the address, else from the base name', () => {
    expect(json([{ bn: 'other:', n: 't', v: 1 }], {}, 'd9')[0]!.device).toBe('d9');
    expect(json([{ bn: 'plant/press.1/', n: 't', v: 1 }])[0]!.device).toBe('plant%2Fpress.1');
    expect(json([{ n: 't', v: 1 }])[0]!.device).toBe('s');
    expect(fieldsOf(json([{ v: 1 }], {}, 'd9')[0])).toEqual({ value: 1 });
    expect(codeOf(() => json([{ v: 1 }]))).toBe('DECODE_SYNTAX');
    expect(codeOf(() => json([{ bn: 'x'.repeat(200), v: 1 }]))).toBe('DECODE_DEVICE');
  });

  test('the fields of a JSON stream are found by name', () => {
    const fields = { value: { path: '$.t', unit: 'Cel', max: 50 }, hum: { optional: true, unit: '%RH' } };
    expect(fieldsOf(json([{ n: 't', u: 'K', v: 300.15 }], { fields }, 'd')[0])).toEqual({
      value: 27,
      hum: null,
    });
    expect(fieldsOf(json([{ n: 'value', v: 1 }], { fields }, 'd')[0])).toEqual({ value: 1, hum: null });
    expect(codeOf(() => json([{ n: 'value', u: 'V', v: 1 }], { fields }, 'd'))).toBe('DECODE_UNIT');
    expect(codeOf(() => json([{ n: 'value', v: 51 }], { fields }, 'd'))).toBe('DECODE_RANGE');
    expect(codeOf(() => json([{ n: 'hum', v: 51 }], { fields }, 'd'))).toBe('DECODE_FIELD');
    expect(codeOf(() => json([{ n: 'else', v: 51 }], { fields }, 'd'))).toBe('DECODE_FIELD');
    expect(fieldsOf(json([{ v: 7 }], { fields: { temp: {} } }, 'd')[0])).toEqual({ temp: 7 });
  });
});

describe('rejected', () => {
  test.each([
    ['not an array', { n: 'x', v: 1 }],
    ['a record that is no object', [1]],
    ['no value', [{ n: 'x' }]],
    ['two values', [{ n: 'x', v: 1, vs: 'a' }]],
    ['v that is no number', [{ n: 'x', v: '1' }]],
    ['vb that is no boolean', [{ n: 'x', vb: 1 }]],
    ['vd that is no base64url', [{ n: 'x', vd: '+/+/' }]],
    ['t that is no number', [{ n: 'x', v: 1, t: 'now' }]],
    ['a name that starts wrongly', [{ n: '_x', v: 1 }]],
    ['a name with other characters', [{ n: 'a b', v: 1 }]],
    ['a version of the future', [{ bver: 11, n: 'x', v: 1 }]],
    ['a label that must be understood', [{ n: 'x', v: 1, foo_: 1 }]],
  ])('%s', (_what, pack) => {
    expect(codeOf(() => json(pack))).toBe('DECODE_SYNTAX');
  });

  test('labels given twice in CBOR, by number and by text', () => {
    const pack = encode([
      new Map<unknown, unknown>([
        [0, 'x'],
        ['n', 'y'],
        [2, 1],
      ]),
    ]);
    expect(codeOf(() => decode({ decode: 'senml+cbor' }, pack))).toBe('DECODE_SYNTAX');
  });

  test('what overflows, and packs of too many readings', () => {
    expect(codeOf(() => decode({ decode: 'senml+json' }, '[{"n":"x","v":1e999}]'))).toBe('DECODE_RANGE');
    const many = Array.from({ length: 10_001 }, (_, i) => ({ n: 'x', v: 1, t: -i - 1 }));
    expect(codeOf(() => json(many))).toBe('DECODE_LIMIT');
    // Also where it would be one reading: what comes of a pack does not count, what it costs does.
    const names = (count: number) => Array.from({ length: count }, (_, i) => ({ n: `x${i}`, v: 1 }));
    expect(codeOf(() => json(names(10_001), { fields: { x1: {} } }, 'd'))).toBe('DECODE_LIMIT');
    expect(fieldsOf(json(names(10_000), { fields: { x1: {} } }, 'd')[0])).toEqual({ x1: 1 });
    expect(codeOf(() => json(names(65)))).toBe('DECODE_LIMIT');
    expect(Object.keys(fieldsOf(json(names(64))[0]))).toHaveLength(64);
  });

  test('nothing for labels that may be ignored, and for secondary units', () => {
    expect(fieldsOf(json([{ bver: 26, n: 'x', u: 'kW', v: 1, foo: 'bar', ut: 5 }])[0])).toEqual({ x: 1 });
  });
});
