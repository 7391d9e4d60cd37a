import { readFileSync } from 'node:fs';
import { TypedDataEncoder } from 'ethers';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../gateway/billing/formats/bytes.ts';
import {
  BILLING_TYPES,
  batchDigest,
  batchHead,
  billingDomain,
  channelId,
  type DocumentType,
  headDigest,
  receiptHash,
  separatorOf,
} from '../../gateway/billing/formats/documents.ts';
import {
  digest,
  domainSeparator,
  encodeType,
  hashStruct,
  type Types,
} from '../../gateway/billing/formats/typed-data.ts';
import { testData } from '../support/data.ts';

const SEED = 20260601;
const LEDGER = { chainId: 31337, address: '0x0864fd42d4632ced4acabd1a2d053d1f7bad9f54' };
const separator = separatorOf(LEDGER);
const domain = billingDomain(LEDGER) as Parameters<typeof TypedDataEncoder.hash>[0];
const typesOf = (name: DocumentType) => ({ [name]: [...BILLING_TYPES[name]] });

const vectors = testData('eip712', 'typed-data.json');

test.skipIf(!vectors)('gives the digest of every shared vector', () => {
  const cases = JSON.parse(readFileSync(vectors!, 'utf8')) as {
    domain: object;
    primaryType: string;
    types: Types;
    data: Record<string, unknown>;
    digest: string;
  }[];
  expect(cases.length).toBeGreaterThan(0);
  for (const { domain, primaryType, types, data, digest: expected } of cases) {
    expect(toHex(digest(domainSeparator(domain), hashStruct(primaryType, types, data)))).toBe(expected);
  }
});

const word = fc.uint8Array({ minLength: 32, maxLength: 32 });
const address = fc.uint8Array({ minLength: 20, maxLength: 20 }).map(toHex);
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const u53 = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const u128 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
const text = fc.string({ unit: 'grapheme' });

describe(`equals ethers on random documents (seed ${SEED})`, () => {
  const equal = (name: DocumentType, value: Record<string, unknown>, ours: Uint8Array) => {
    const plain = Object.fromEntries(
      Object.entries(value).map(([key, v]) => [key, v instanceof Uint8Array ? toHex(v) : v]),
    );
    expect(toHex(ours)).toBe(TypedDataEncoder.hash(domain, typesOf(name), plain));
  };

  test('Receipt', () => {
    const receipt = fc.record({
      channelId: word,
      seq: u53,
      prevHash: word,
      requestId: text,
      tariffHash: word,
      modelHash: word,
      usageHash: word,
      ioHash: word,
      startedAtMs: u53,
      computeUs: u53,
      amount: u128,
      cumulative: u128,
    });
    fc.assert(
      fc.property(receipt, (r) => equal('Receipt', r, receiptHash(separator, r))),
      { seed: SEED },
    );
  });

  test('Config, Head and Batch', () => {
    const config = fc.record({
      payer: address,
      payerSigner: address,
      provider: address,
      device: address,
      token: address,
      withdrawDelay: u32,
      disputeWindow: u32,
      salt: word,
    });
    const head = fc.record({ channelId: word, seq: u53, cumulative: u128, receiptHash: word });
    const batch = fc.record({ prevHead: word, root: word, toSeq: u53, total: u128 });
    fc.assert(
      fc.property(config, (c) => equal('Config', c, channelId(separator, c))),
      { seed: SEED, numRuns: 50 },
    );
    fc.assert(
      fc.property(head, (h) => equal('Head', h, headDigest(separator, h))),
      { seed: SEED, numRuns: 50 },
    );
    fc.assert(
      fc.property(batch, (b) => equal('Batch', b, batchDigest(separator, batchHead(b)))),
      { seed: SEED, numRuns: 50 },
    );
  });
});

test('no two documents have the same type, so no signature can serve as another', () => {
  const names = Object.keys(BILLING_TYPES) as DocumentType[];
  const encoded = names.map((name) => encodeType(name, BILLING_TYPES));
  expect(new Set(encoded).size).toBe(names.length);
  const fields = { channelId: new Uint8Array(32), seq: 1, cumulative: 1n, receiptHash: new Uint8Array(32) };
  expect(hashStruct('Head', BILLING_TYPES, fields)).not.toEqual(hashStruct('Ack', BILLING_TYPES, fields));
});

test.each([
  ['uint8', 256],
  ['uint32', -1],
  ['int8', 128],
  ['bytes32', '0x00'],
  ['address', '0x1234'],
  ['uint8[2]', [1]],
  ['float', 1],
])('refuses a value that %s cannot hold', (type, value) => {
  expect(() => hashStruct('T', { T: [{ name: 'x', type }] }, { x: value })).toThrow(RangeError);
});

test('refuses what is not hexadecimal', () => {
  expect(() => fromHex('0x123')).toThrow(RangeError);
  expect(() => fromHex('0xzz')).toThrow(RangeError);
});
