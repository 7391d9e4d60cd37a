import { AbiCoder, Interface } from 'ethers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type AbiValue, decodeValues, encodeCall, encodeValues, topicOf } from '../../../adapters/evm/abi.ts';

const SEED = 20261122;
const coder = AbiCoder.defaultAbiCoder();
const address = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((b) => `0x${Buffer.from(b).toString('hex')}`);
const bytes = (min: number, max = min) =>
  fc.uint8Array({ minLength: min, maxLength: max }).map((b) => `0x${Buffer.from(b).toString('hex')}`);
const uint = (bits: number) => fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n });

const SHAPES: readonly [string, fc.Arbitrary<AbiValue[]>][] = [
  ['(uint256,string)', fc.tuple(uint(256), fc.string({ unit: 'grapheme' }))],
  ['(address,bytes12,bool,uint64)', fc.tuple(address, bytes(12), fc.boolean(), uint(64))],
  [
    '((address,uint128)[],bytes)',
    fc.tuple(fc.array(fc.tuple(address, uint(128)), { maxLength: 5 }), bytes(0, 80)),
  ],
  [
    '((bytes32,string[],(uint64,bytes)[]),uint8)',
    fc.tuple(
      fc.tuple(
        bytes(32),
        fc.array(fc.string(), { maxLength: 4 }),
        fc.array(fc.tuple(uint(64), bytes(0, 70)), { maxLength: 4 }),
      ),
      uint(8),
    ),
  ],
];

const typesOf = (tuple: string): string => `tuple${tuple}`;

test.each(SHAPES)(`encodes and reads %s as others do (seed ${SEED})`, (types, values) => {
  fc.assert(
    fc.property(values, (given) => {
      const encoded = encodeValues(types, ...given);
      // A top-level tuple of dynamic size has an offset before it; a call's arguments have none.
      const theirs = coder.encode([typesOf(types)], [given]).slice(2);
      expect([encoded, `${'20'.padStart(64, '0')}${encoded}`]).toContain(theirs);
      expect(decodeValues(types, `0x${encoded}`)).toEqual(given);
    }),
    { seed: SEED, numRuns: 100 },
  );
});

test('names calls and events as others do', () => {
  const abi = new Interface(['function f(uint8 a, (address, string)[] b)', 'event E(address indexed a)']);
  const b = [[`0x${'1a'.repeat(20)}`, 'x']];
  expect(encodeCall('f(uint8,(address,string)[])', 7, b)).toBe(abi.encodeFunctionData('f', [7, b]));
  expect(topicOf('E(address)')).toBe(abi.getEvent('E')?.topicHash);
});

test(`nothing that a node answers makes it do more than throw (seed ${SEED})`, () => {
  const [types, values] = SHAPES[3]!;
  fc.assert(
    fc.property(values, fc.nat(), fc.nat(255), (given, at, byte) => {
      const data = Buffer.from(encodeValues(types, ...given), 'hex');
      data[at % data.length] = byte;
      try {
        decodeValues(types, data.toString('hex'));
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }),
    { seed: SEED, numRuns: 300 },
  );
  expect(() => decodeValues('(uint256)', '0x')).toThrow(RangeError);
  expect(() => encodeValues('(uint8)', 256)).toThrow(RangeError);
  expect(() => encodeValues('(address)', '0x12')).toThrow(RangeError);
});
