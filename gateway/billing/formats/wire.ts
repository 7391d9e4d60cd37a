import { GatewayError } from '../../errors.ts';
import type { Quantities } from '../tariff/quantities.ts';
import type { Counted } from '../tariff/rate.ts';
import { fromHex, type Hex, toHex } from './bytes.ts';
import type { ChannelConfig, Receipt } from './documents.ts';

/**
 * Documents of channels as JSON. Integers are decimal strings, bytes are hexadecimal with 0x, so that no reader loses a digit.
 * Readers throw CHANNEL_DOCUMENT and take nothing inherited; what they answer can be hashed and compared as it is.
 */

/** What a payer allows before service. */
export interface SignedCeiling {
  readonly maxCumulative: bigint;
  /** Seconds since the epoch. */
  readonly validUntil: number;
  /** 65 bytes. */
  readonly signature: Uint8Array;
}

/** A head (signed by the device) or an acknowledgement (signed by the payer). */
export interface SignedStatement {
  readonly seq: number;
  readonly cumulative: bigint;
  readonly receiptHash: Uint8Array;
  /** 65 bytes. */
  readonly signature: Uint8Array;
}

/** A receipt with all that is needed to check it. */
export interface ReceiptEvidence {
  readonly receipt: Receipt;
  /** Preimage of `modelHash`. */
  readonly model: { readonly name: string; readonly sha256: string; readonly version: string };
  /** The signed rate of a tariff in a currency: the tariff with it is the preimage of `tariffHash`. */
  readonly rate?: object;
  /** Preimage of `usageHash`, with what was used before where the price depends on it. */
  readonly usage: Quantities & { readonly before?: Counted };
  /** `ioHash` is keccak(salt ‖ requestHash ‖ answerHash). */
  readonly salt: Uint8Array;
  /** SHA-256 of the request's body. */
  readonly requestHash: Uint8Array;
  /** SHA-256 of the answer's body without its `receipt`, see {@link withoutReceipt}. */
  readonly answerHash: Uint8Array;
  /** EIP-712 digest of the receipt as the gateway says it; readers compute their own. */
  readonly hash: Uint8Array;
  /** The newest head that the device has signed; it may be about an earlier receipt. */
  readonly head?: SignedStatement;
}

type Json = Readonly<Record<string, unknown>>;

export function readCeiling(value: unknown): SignedCeiling {
  const given = members(value, 'ceiling');
  return {
    maxCumulative: uint(given, 'maxCumulative', 128),
    validUntil: whole(given, 'validUntil'),
    signature: bytes(given, 'signature', 65),
  };
}

export const writeCeiling = ({ maxCumulative, validUntil, signature }: SignedCeiling) => ({
  maxCumulative: String(maxCumulative),
  validUntil: String(validUntil),
  signature: toHex(signature),
});

export function readStatement(value: unknown, what: 'ack' | 'head'): SignedStatement {
  const given = members(value, what);
  return {
    seq: whole(given, 'seq'),
    cumulative: uint(given, 'cumulative', 128),
    receiptHash: bytes(given, 'receiptHash', 32),
    signature: bytes(given, 'signature', 65),
  };
}

export const writeStatement = ({ seq, cumulative, receiptHash, signature }: SignedStatement) => ({
  seq: String(seq),
  cumulative: String(cumulative),
  receiptHash: toHex(receiptHash),
  signature: toHex(signature),
});

/** 32 bytes of a channel id. */
export function readChannelId(value: unknown): Uint8Array {
  return bytes({ channel: value }, 'channel', 32);
}

export function readConfig(value: unknown): ChannelConfig & { readonly salt: Hex } {
  const given = members(value, 'config');
  const address = (name: string): string => toHex(bytes(given, name, 20));
  return {
    payer: address('payer'),
    payerSigner: address('payerSigner'),
    provider: address('provider'),
    device: address('device'),
    token: address('token'),
    withdrawDelay: delay(given, 'withdrawDelay'),
    disputeWindow: delay(given, 'disputeWindow'),
    salt: toHex(bytes(given, 'salt', 32)),
  };
}

/** The `receipt` member of an answer. */
export function readReceipt(value: unknown): ReceiptEvidence {
  const given = members(value, 'receipt');
  const model = members(given.model, 'receipt.model');
  return {
    receipt: {
      channelId: bytes(given, 'channelId', 32),
      seq: whole(given, 'seq'),
      prevHash: bytes(given, 'prevHash', 32),
      requestId: text(given, 'requestId'),
      tariffHash: bytes(given, 'tariffHash', 32),
      modelHash: bytes(given, 'modelHash', 32),
      usageHash: bytes(given, 'usageHash', 32),
      ioHash: bytes(given, 'ioHash', 32),
      startedAtMs: whole(given, 'startedAtMs'),
      computeUs: whole(given, 'computeUs'),
      amount: uint(given, 'amount', 128),
      cumulative: uint(given, 'cumulative', 128),
    },
    model: { name: text(model, 'name'), sha256: text(model, 'sha256'), version: text(model, 'version') },
    usage: members(given.usage, 'receipt.usage') as ReceiptEvidence['usage'],
    salt: bytes(given, 'salt', 32),
    requestHash: bytes(given, 'requestHash', 32),
    answerHash: bytes(given, 'answerHash', 32),
    hash: bytes(given, 'hash', 32),
    ...(given.rate === undefined ? {} : { rate: members(given.rate, 'receipt.rate') }),
    ...(given.head === undefined ? {} : { head: readStatement(given.head, 'head') }),
  };
}

export function writeReceipt({ receipt: r, head, ...rest }: ReceiptEvidence) {
  const { name, sha256, version } = rest.model;
  return {
    channelId: toHex(r.channelId),
    seq: String(r.seq),
    prevHash: toHex(r.prevHash),
    requestId: r.requestId,
    tariffHash: toHex(r.tariffHash),
    modelHash: toHex(r.modelHash),
    usageHash: toHex(r.usageHash),
    ioHash: toHex(r.ioHash),
    startedAtMs: String(r.startedAtMs),
    computeUs: String(r.computeUs),
    amount: String(r.amount),
    cumulative: String(r.cumulative),
    hash: toHex(rest.hash),
    model: { name, sha256, version },
    usage: rest.usage,
    ...(rest.rate ? { rate: rest.rate } : {}),
    salt: toHex(rest.salt),
    requestHash: toHex(rest.requestHash),
    answerHash: toHex(rest.answerHash),
    ...(head ? { head: writeStatement(head) } : {}),
  };
}

/** What precedes the receipt in the JSON of an answer, where it is always the last member. */
const RECEIPT_MEMBER = ',"receipt":';
const BRACE = Buffer.from('}');

/**
 * The bytes of an answer that its receipt commits to: the body without the `receipt` member. A quote inside a JSON string is
 * escaped, so the words that begin the member are found nowhere else.
 *
 * @param headerBytes length of the JSON when binary tensors follow it
 */
export function withoutReceipt(body: Uint8Array, headerBytes: number = body.length): Uint8Array {
  const json = Buffer.from(body.buffer, body.byteOffset, headerBytes);
  const cut = json.lastIndexOf(RECEIPT_MEMBER);
  return cut < 0 ? body : Buffer.concat([json.subarray(0, cut), BRACE, body.subarray(headerBytes)]);
}

function members(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(what, 'an object');
  return Object.assign(Object.create(null) as object, value) as Json;
}

function text(given: Json, name: string): string {
  const value = given[name];
  if (typeof value !== 'string' || value.length > 4096) throw wrong(name, 'a string');
  return value;
}

function bytes(given: Json, name: string, size: number): Uint8Array {
  const value = given[name];
  if (typeof value !== 'string' || value.length !== 2 + 2 * size || !/^0x[0-9a-fA-F]+$/.test(value))
    throw wrong(name, `${size} bytes in hexadecimal with 0x`);
  return new Uint8Array(fromHex(value));
}

function uint(given: Json, name: string, bits: number): bigint {
  const value = given[name];
  if (typeof value !== 'string' || !/^(0|[1-9]\d{0,38})$/.test(value) || BigInt(value) >> BigInt(bits))
    throw wrong(name, `a whole number of ${bits} bits as a decimal string`);
  return BigInt(value);
}

/** A number that also fits JavaScript's integers: 285 million years in seconds, or as many receipts. */
function whole(given: Json, name: string): number {
  const value = uint(given, name, 53);
  return Number(value);
}

/** Delays are 32 bits wide on the ledger; they may also come as numbers, as configurations have them. */
function delay(given: Json, name: string): number {
  const value = given[name];
  const number = typeof value === 'number' ? value : Number(uint(given, name, 32));
  if (!Number.isInteger(number) || number < 0 || number >= 2 ** 32) throw wrong(name, 'seconds');
  return number;
}

const wrong = (name: string, expected: string): GatewayError =>
  new GatewayError('CHANNEL_DOCUMENT', `${name} is not valid`, { expected });
