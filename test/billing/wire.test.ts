import { TypedDataEncoder } from 'ethers';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../gateway/billing/formats/bytes.ts';
import {
  ackDigest,
  BILLING_TYPES,
  billingDomain,
  ceilingDigest,
  separatorOf,
} from '../../gateway/billing/formats/documents.ts';
import {
  readCeiling,
  readChannelId,
  readConfig,
  readReceipt,
  readStatement,
  withoutReceipt,
  writeCeiling,
  writeReceipt,
  writeStatement,
} from '../../gateway/billing/formats/wire.ts';
import { withReceipt } from '../../gateway/serving/protocol/response.ts';

const SEED = 20261122;
const LEDGER = { chainId: 31337, address: '0x0864fd42d4632ced4acabd1a2d053d1f7bad9f54' };
const separator = separatorOf(LEDGER);
const domain = billingDomain(LEDGER) as Parameters<typeof TypedDataEncoder.hash>[0];

const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size });
const word = bytes(32);
const amount = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const statement = fc.record({ seq: whole, cumulative: amount, receiptHash: word, signature: bytes(65) });
const ceiling = fc.record({ maxCumulative: amount, validUntil: whole, signature: bytes(65) });
const evidence = fc.record(
  {
    receipt: fc.record({
      ...{ channelId: word, seq: whole, prevHash: word, requestId: fc.string(), tariffHash: word },
      ...{ modelHash: word, usageHash: word, ioHash: word, startedAtMs: whole, computeUs: whole },
      ...{ amount, cumulative: amount },
    }),
    model: fc.record({ name: fc.string(), sha256: fc.string(), version: fc.string() }),
    usage: fc.record({ inference: whole, byte_in: whole }),
    ...{ salt: word, requestHash: word, answerHash: word, hash: word, head: statement },
  },
  {
    requiredKeys: ['receipt', 'model', 'usage', 'salt', 'requestHash', 'answerHash', 'hash'],
    noNullPrototype: true,
  },
);
const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('what is written is read again', () => {
  test('ceilings', () => {
    const there = (c: Parameters<typeof writeCeiling>[0]) => readCeiling(overTheWire(writeCeiling(c)));
    fc.assert(
      fc.property(ceiling, (c) => void expect(there(c)).toEqual(c)),
      { seed: SEED },
    );
  });
  test('heads and acknowledgements', () => {
    const there = (s: Parameters<typeof writeStatement>[0]) =>
      readStatement(overTheWire(writeStatement(s)), 'ack');
    fc.assert(
      fc.property(statement, (s) => void expect(there(s)).toEqual(s)),
      { seed: SEED },
    );
  });
  test('receipts', () => {
    fc.assert(
      fc.property(evidence, (e) => {
        const back = readReceipt(overTheWire(writeReceipt(e)));
        expect({ ...back, usage: { ...back.usage } }).toEqual(e);
      }),
      { seed: SEED },
    );
  });
});

test('acknowledgements and ceilings have the digests that wallets sign', () => {
  fc.assert(
    fc.property(word, statement, ceiling, (channelId, { signature: _, ...s }, { signature: __, ...c }) => {
      const ack = { channelId, ...s };
      expect(toHex(ackDigest(separator, ack))).toBe(
        TypedDataEncoder.hash(domain, { Ack: [...BILLING_TYPES.Ack] }, ack),
      );
      const allowed = { channelId, ...c };
      expect(toHex(ceilingDigest(separator, allowed))).toBe(
        TypedDataEncoder.hash(domain, { Ceiling: [...BILLING_TYPES.Ceiling] }, allowed),
      );
    }),
    { seed: SEED, numRuns: 50 },
  );
});

test('a receipt goes into an answer and out of it again without a trace', () => {
  fc.assert(
    fc.property(fc.json(), fc.uint8Array(), fc.boolean(), evidence, (inner, tail, binary, e) => {
      const json = Buffer.from(`{"id":"r","data":${inner},"text":${JSON.stringify(',"receipt":{}')}}`);
      const body = binary ? Buffer.concat([json, tail]) : json;
      const made = withReceipt({ body, headerBytes: binary ? json.length : undefined }, writeReceipt(e));
      const parsed = JSON.parse(Buffer.from(made.body).subarray(0, made.headerBytes).toString()) as object;
      expect(parsed).toHaveProperty('receipt.hash', toHex(e.hash));
      expect(Buffer.from(withoutReceipt(made.body, made.headerBytes)).equals(body)).toBe(true);
    }),
    { seed: SEED },
  );
});

test.each([
  ['no object', () => readCeiling('x')],
  [
    'a number in place of a string',
    () => readCeiling({ maxCumulative: 5, validUntil: '1', signature: '0x' }),
  ],
  ['a sign', () => readCeiling({ maxCumulative: '-1', validUntil: '1', signature: `0x${'00'.repeat(65)}` })],
  ['129 bits', () => readCeiling({ maxCumulative: String(2n ** 128n), validUntil: '1' })],
  ['a short signature', () => readCeiling({ maxCumulative: '1', validUntil: '1', signature: '0x00' })],
  ['a channel id without 0x', () => readChannelId('00'.repeat(32))],
  ['inherited members', () => readStatement(Object.create({ seq: '1' }), 'ack')],
  ['a configuration without salt', () => readConfig({ payer: `0x${'00'.repeat(20)}` })],
  ['a receipt without model', () => readReceipt({})],
])('refuses %s', (_, read) => {
  expect(read).toThrow(expect.objectContaining({ code: 'CHANNEL_DOCUMENT' }));
});
