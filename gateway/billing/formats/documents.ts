import { keccak, putUint, utf8 } from './bytes.ts';
import { type Domain, digest, domainSeparator, hashStruct, type Types, typeHash } from './typed-data.ts';

/** The documents of edge billing and their EIP-712 types; `deploy/contracts/BillingTypes.sol` has the same. */

export const BILLING_TYPES = {
  Config: [
    { name: 'payer', type: 'address' },
    { name: 'payerSigner', type: 'address' },
    { name: 'provider', type: 'address' },
    { name: 'device', type: 'address' },
    { name: 'token', type: 'address' },
    { name: 'withdrawDelay', type: 'uint32' },
    { name: 'disputeWindow', type: 'uint32' },
    { name: 'salt', type: 'bytes32' },
  ],
  Receipt: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'seq', type: 'uint64' },
    { name: 'prevHash', type: 'bytes32' },
    { name: 'requestId', type: 'string' },
    { name: 'tariffHash', type: 'bytes32' },
    { name: 'modelHash', type: 'bytes32' },
    { name: 'usageHash', type: 'bytes32' },
    { name: 'ioHash', type: 'bytes32' },
    { name: 'startedAtMs', type: 'uint64' },
    { name: 'computeUs', type: 'uint64' },
    { name: 'amount', type: 'uint128' },
    { name: 'cumulative', type: 'uint128' },
  ],
  Head: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'seq', type: 'uint64' },
    { name: 'cumulative', type: 'uint128' },
    { name: 'receiptHash', type: 'bytes32' },
  ],
  Ack: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'seq', type: 'uint64' },
    { name: 'cumulative', type: 'uint128' },
    { name: 'receiptHash', type: 'bytes32' },
  ],
  Ceiling: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'maxCumulative', type: 'uint128' },
    { name: 'validUntil', type: 'uint64' },
  ],
  Batch: [
    { name: 'prevHead', type: 'bytes32' },
    { name: 'root', type: 'bytes32' },
    { name: 'toSeq', type: 'uint64' },
    { name: 'total', type: 'uint128' },
  ],
} as const satisfies Types;

export type DocumentType = keyof typeof BILLING_TYPES;

/** Which ledger on which chain the documents are for. */
export interface Ledger {
  readonly chainId: number;
  /** Address of the ledger contract. */
  readonly address: string;
}

/** A gateway without a chain keeps its books under chain 0 and the zero address. */
export const NO_LEDGER: Ledger = { chainId: 0, address: `0x${'0'.repeat(40)}` };

export const billingDomain = (ledger: Ledger): Domain => ({
  name: 'AIMX Edge Billing',
  version: '1',
  chainId: ledger.chainId,
  verifyingContract: ledger.address,
});

export const separatorOf = (ledger: Ledger): Uint8Array => domainSeparator(billingDomain(ledger));

/** Terms of a channel; its EIP-712 digest is the channel's id. */
export interface ChannelConfig {
  readonly payer: string;
  readonly payerSigner: string;
  readonly provider: string;
  readonly device: string;
  readonly token: string;
  /** Seconds. */
  readonly withdrawDelay: number;
  /** Seconds. */
  readonly disputeWindow: number;
  /** 32 bytes. */
  readonly salt: Uint8Array | string;
}

export const channelId = (separator: Uint8Array, config: ChannelConfig): Uint8Array =>
  digest(separator, hashStruct('Config', BILLING_TYPES, { ...config }));

export interface Receipt {
  readonly channelId: Uint8Array;
  /** From 1, without gaps. */
  readonly seq: number;
  /** Hash of the channel's receipt before it; zero for the first. */
  readonly prevHash: Uint8Array;
  readonly requestId: string;
  readonly tariffHash: Uint8Array;
  readonly modelHash: Uint8Array;
  readonly usageHash: Uint8Array;
  readonly ioHash: Uint8Array;
  readonly startedAtMs: number;
  readonly computeUs: number;
  readonly amount: bigint;
  readonly cumulative: bigint;
}

const RECEIPT_TYPE = typeHash('Receipt', BILLING_TYPES);

/** EIP-712 digest of a receipt: the same bytes as the general encoder, laid out by hand for speed. */
export function receiptHash(separator: Uint8Array, r: Receipt): Uint8Array {
  const words = new Uint8Array(13 * 32);
  words.set(RECEIPT_TYPE, 0);
  words.set(r.channelId, 32);
  putUint(words, 64, r.seq);
  words.set(r.prevHash, 96);
  words.set(keccak(utf8(r.requestId)), 128);
  words.set(r.tariffHash, 160);
  words.set(r.modelHash, 192);
  words.set(r.usageHash, 224);
  words.set(r.ioHash, 256);
  putUint(words, 288, r.startedAtMs);
  putUint(words, 320, r.computeUs);
  putUint(words, 352, r.amount);
  putUint(words, 384, r.cumulative);
  return digest(separator, keccak(words));
}

export interface Head {
  readonly channelId: Uint8Array;
  readonly seq: number;
  readonly cumulative: bigint;
  readonly receiptHash: Uint8Array;
}

/** What a device signs to stand by everything in a channel up to `seq`. */
export const headDigest = (separator: Uint8Array, head: Head): Uint8Array =>
  digest(separator, hashStruct('Head', BILLING_TYPES, { ...head }));

/** What a payer signs after service: the same fields as a head, another meaning. */
export const ackDigest = (separator: Uint8Array, ack: Head): Uint8Array =>
  digest(separator, hashStruct('Ack', BILLING_TYPES, { ...ack }));

export interface Ceiling {
  readonly channelId: Uint8Array;
  /** What all receipts of the channel may cost together. */
  readonly maxCumulative: bigint;
  /** Seconds since the epoch: until then it can be claimed under. */
  readonly validUntil: number;
}

/** What a payer signs before service. */
export const ceilingDigest = (separator: Uint8Array, ceiling: Ceiling): Uint8Array =>
  digest(separator, hashStruct('Ceiling', BILLING_TYPES, { ...ceiling }));

export interface Batch {
  readonly prevHead: Uint8Array;
  readonly root: Uint8Array;
  /** Receipts committed to after this batch, over all channels. */
  readonly toSeq: number;
  readonly total: bigint;
}

/** The device's head on the ledger after this batch: the struct hash of the batch. */
export const batchHead = (batch: Batch): Uint8Array => hashStruct('Batch', BILLING_TYPES, { ...batch });

/** What a device signs to stand by a batch; with it anyone can post the batch (`postFor`). */
export const batchDigest = (separator: Uint8Array, head: Uint8Array): Uint8Array => digest(separator, head);

/** Leaf of a batch's Merkle tree: keccak(keccak(abi.encode(channelId, seq, receiptHash, cumulative))). */
export function leafOf(head: Head): Uint8Array {
  const words = new Uint8Array(4 * 32);
  words.set(head.channelId, 0);
  putUint(words, 32, head.seq);
  words.set(head.receiptHash, 64);
  putUint(words, 96, head.cumulative);
  return keccak(keccak(words));
}
