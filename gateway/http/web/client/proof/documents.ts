import { addressWord, compare, fromHex, hashOfText, keccak, word } from './bytes.ts';

/** Hashes of the billing documents (EIP-712) and of Merkle trees (OpenZeppelin standard-v1), as the ledger makes them. */

const DOMAIN = hashOfText(
  'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)',
);
const CONFIG = hashOfText(
  'Config(address payer,address payerSigner,address provider,address device,address token,uint32 withdrawDelay,uint32 disputeWindow,bytes32 salt)',
);
const RECEIPT = hashOfText(
  'Receipt(bytes32 channelId,uint64 seq,bytes32 prevHash,string requestId,bytes32 tariffHash,bytes32 modelHash,bytes32 usageHash,bytes32 ioHash,uint64 startedAtMs,uint64 computeUs,uint128 amount,uint128 cumulative)',
);
const HEAD = hashOfText('Head(bytes32 channelId,uint64 seq,uint128 cumulative,bytes32 receiptHash)');
const BATCH = hashOfText('Batch(bytes32 prevHead,bytes32 root,uint64 toSeq,uint128 total)');

export const separatorOf = (ledger: { readonly chainId: number; readonly address: string }): Uint8Array =>
  keccak(
    DOMAIN,
    hashOfText('AIMX Edge Billing'),
    hashOfText('1'),
    word(ledger.chainId),
    addressWord(ledger.address),
  );

const digest = (separator: Uint8Array, struct: Uint8Array): Uint8Array =>
  keccak(new Uint8Array([0x19, 0x01]), separator, struct);

export interface Terms {
  readonly payer: string;
  readonly payerSigner: string;
  readonly provider: string;
  readonly device: string;
  readonly token: string;
  readonly withdrawDelay: number;
  readonly disputeWindow: number;
  readonly salt: string;
}

export const channelId = (separator: Uint8Array, terms: Terms): Uint8Array =>
  digest(
    separator,
    keccak(
      CONFIG,
      ...[terms.payer, terms.payerSigner, terms.provider, terms.device, terms.token].map(addressWord),
      word(terms.withdrawDelay),
      word(terms.disputeWindow),
      fromHex(terms.salt),
    ),
  );

/** A receipt as proofs write it: `model` and `usage` are the texts whose hashes it holds. */
export interface Receipt {
  readonly seq: number;
  readonly requestId: string;
  readonly model: string;
  readonly tariffHash: string;
  readonly usage: string;
  readonly ioHash: string;
  readonly startedAtMs: number;
  readonly computeUs: number;
  readonly amount: string;
  readonly cumulative: string;
}

export const receiptHash = (
  separator: Uint8Array,
  channel: Uint8Array,
  before: Uint8Array,
  receipt: Receipt,
): Uint8Array =>
  digest(
    separator,
    keccak(
      RECEIPT,
      channel,
      word(receipt.seq),
      before,
      hashOfText(receipt.requestId),
      fromHex(receipt.tariffHash),
      hashOfText(receipt.model),
      hashOfText(receipt.usage),
      fromHex(receipt.ioHash),
      word(receipt.startedAtMs),
      word(receipt.computeUs),
      word(BigInt(receipt.amount)),
      word(BigInt(receipt.cumulative)),
    ),
  );

type HeadFields = readonly [channel: Uint8Array, seq: number, hash: Uint8Array, cumulative: string];

export const headDigest = (separator: Uint8Array, [channel, seq, hash, cumulative]: HeadFields): Uint8Array =>
  digest(separator, keccak(HEAD, channel, word(seq), word(BigInt(cumulative)), hash));

export const leafOf = ([channel, seq, hash, cumulative]: HeadFields): Uint8Array =>
  keccak(keccak(channel, word(seq), hash, word(BigInt(cumulative))));

/** Root that a leaf and its siblings lead to; pairs are hashed in ascending order. */
export const merkleRoot = (leaf: Uint8Array, siblings: readonly string[]): Uint8Array =>
  siblings
    .map(fromHex)
    .reduce(
      (node, sibling) => (compare(node, sibling) < 0 ? keccak(node, sibling) : keccak(sibling, node)),
      leaf,
    );

export const batchHead = (prevHead: string, root: Uint8Array, toSeq: number, total: string): Uint8Array =>
  keccak(BATCH, fromHex(prevHead), root, word(toSeq), word(BigInt(total)));

export const batchDigest = (separator: Uint8Array, head: Uint8Array): Uint8Array => digest(separator, head);
