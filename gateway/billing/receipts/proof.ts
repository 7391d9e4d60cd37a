import { z } from 'zod';
import { fromHex, keccak, sameBytes, toHex, utf8, ZERO_WORD } from '../formats/bytes.ts';
import { canonicalJson } from '../formats/canonical-json.ts';
import {
  batchDigest,
  batchHead,
  channelId,
  headDigest,
  leafOf,
  type Receipt,
  receiptHash,
  separatorOf,
} from '../formats/documents.ts';
import { merkleRoot } from '../formats/merkle.ts';
import { recoverAddress } from '../keys/device-key.ts';
import { HEAD_EVERY } from '../metering/limits.ts';
import { ioHash, parseUsage } from '../metering/measure.ts';
import { type Counted, parseTariff, rate, type Tariff } from '../tariff/tariff.ts';

/**
 * A receipt's proof: one JSON document (RFC 8785, one line) that anyone can check without a database or a chain. Each
 * byte of it is bound: by a hash, by the device's signature, or by the canonical form.
 */

const hexOf = (bytes: number) => z.string().regex(new RegExp(`^0x[0-9a-f]{${bytes * 2}}$`));
const word = hexOf(32);
const address = hexOf(20);
const integer = z.number().int().min(0);
const units = z.string().regex(/^(0|[1-9]\d{0,38})$/);

const receiptSchema = z.strictObject({
  seq: integer.min(1),
  requestId: z.string(),
  /** Preimages, as canonical JSON text. */
  model: z.string(),
  tariffHash: word,
  usage: z.string(),
  ioHash: word,
  startedAtMs: integer,
  computeUs: integer,
  amount: units,
  cumulative: units,
});

export const proofSchema = z.strictObject({
  format: z.literal('aimx-receipt-proof/1'),
  ledger: z.strictObject({ chainId: integer, address }),
  device: address,
  /** Canonical JSON of the channel's terms; with the ledger, the preimage of the channel's id. */
  channel: z.string(),
  tariff: z.string(),
  prevHash: word,
  /** Opens `ioHash` of the first receipt. */
  io: z.strictObject({ salt: word, request: word, answer: word }),
  /** The receipt that is proved, then those after it up to the signed head. */
  receipts: z.array(receiptSchema).min(1).max(HEAD_EVERY),
  /** The device's signature over the head that the last of `receipts` makes. */
  signature: hexOf(65).nullable(),
  batch: z
    .strictObject({
      prevHead: word,
      toSeq: integer,
      total: units,
      proof: z.array(word).max(64),
      /** The device's head on the ledger after this batch: what to look for in the ledger's events. */
      head: word,
      /** The device's EIP-712 signature over the batch. */
      signature: hexOf(65),
    })
    .nullable(),
});

export type ReceiptProof = z.output<typeof proofSchema>;

export type Verdict =
  /** All of it holds. Whether the chain has the batch is for whoever can ask the chain: look for `head`. */
  | { readonly kind: 'valid'; readonly receiptHash: string; readonly root: string; readonly head: string }
  /** Something in it is false. */
  | { readonly kind: 'invalid'; readonly reason: string }
  /** What there is holds, but there is no signed head or no batch yet. */
  | { readonly kind: 'incomplete'; readonly reason: string; readonly receiptHash: string };

/** Terms of a channel, in the one way they may be written. */
const termsSchema = z.strictObject({
  payer: address,
  payerSigner: address,
  provider: address,
  device: address,
  token: address,
  withdrawDelay: integer,
  disputeWindow: integer,
  salt: word,
});

/** The one true text of a proof. */
export const proofText = (proof: ReceiptProof): string => `${canonicalJson(proof)}\n`;

/** Checks a proof file. Never throws for what is in it. */
export function verifyProof(text: string): Verdict {
  let proof: ReceiptProof;
  try {
    const parsed = proofSchema.safeParse(JSON.parse(text));
    if (!parsed.success) return invalid(`not a receipt proof: ${parsed.error.issues[0]?.message}`);
    proof = parsed.data;
    if (proofText(proof) !== text) return invalid('the text is not in canonical form');
    return check(proof);
  } catch (error) {
    return invalid(error instanceof Error ? error.message : String(error));
  }
}

function check(proof: ReceiptProof): Verdict {
  const separator = separatorOf(proof.ledger);
  const terms = termsSchema.parse(JSON.parse(proof.channel));
  const id = channelId(separator, terms);
  if (terms.device !== proof.device) return invalid('the channel belongs to another device');
  if (canonicalJson(terms) !== proof.channel) return invalid("the channel's terms are not in canonical form");
  const tariffHash = keccak(utf8(proof.tariff));
  const tariff = parseTariff(JSON.parse(proof.tariff));
  if (tariff.json !== proof.tariff) return invalid('the tariff is not in canonical form');

  const first = proof.receipts[0]!;
  const { salt, request, answer } = proof.io;
  if (!sameBytes(ioHash(fromHex(salt), fromHex(request), fromHex(answer)), fromHex(first.ioHash)))
    return invalid('request and answer are not those of the receipt');
  if (!sameBytes(fromHex(first.tariffHash), tariffHash))
    return invalid('the tariff is not that of the receipt');
  const { used, before } = parseUsage(first.usage);
  if (rate(tariff, before, used, first.startedAtMs).amount !== BigInt(first.amount))
    return invalid('the amount does not follow from tariff and usage');

  const wrongly = counting(proof, tariff);
  if (wrongly) return invalid(wrongly);
  const hashes = chain(separator, id, proof);
  if (typeof hashes === 'string') return invalid(hashes);
  const own = hashes[0]!;
  if (proof.signature === null)
    return { kind: 'incomplete', reason: 'no signed head yet', receiptHash: toHex(own) };
  const last = proof.receipts[proof.receipts.length - 1]!;
  const headOf = (of: typeof first, hash: Uint8Array) => ({
    channelId: id,
    seq: of.seq,
    cumulative: BigInt(of.cumulative),
    receiptHash: hash,
  });
  const digest = headDigest(separator, headOf(last, hashes[hashes.length - 1]!));
  if (recoverAddress(digest, fromHex(proof.signature)) !== proof.device)
    return invalid('the head is not signed by the device');

  if (proof.batch === null)
    return { kind: 'incomplete', reason: 'not in a posted batch yet', receiptHash: toHex(own) };
  const root = merkleRoot(leafOf(headOf(first, own)), proof.batch.proof.map(fromHex));
  const head = batchHead({
    prevHead: fromHex(proof.batch.prevHead),
    root,
    toSeq: proof.batch.toSeq,
    total: BigInt(proof.batch.total),
  });
  if (toHex(head) !== proof.batch.head) return invalid('the Merkle proof does not lead to the batch');
  if (recoverAddress(batchDigest(separator, head), fromHex(proof.batch.signature)) !== proof.device)
    return invalid('the batch is not signed by the device');
  return { kind: 'valid', receiptHash: toHex(own), root: toHex(root), head: toHex(head) };
}

/** What is wrong with what receipts say was used before them; null when each counts on from the one before. */
function counting({ receipts }: ReceiptProof, tariff: Tariff): string | null {
  if (!tariff.stateful) return null;
  let earlier: Counted | undefined;
  for (const { seq, tariffHash, usage, startedAtMs, amount } of receipts) {
    if (tariffHash !== toHex(tariff.hash)) return null;
    const { used, before } = parseUsage(usage);
    const rated = rate(tariff, earlier ?? before, used, startedAtMs);
    if (!before || canonicalJson(before) !== canonicalJson(rated.before))
      return `receipt ${seq} does not count on from the one before`;
    if (rated.amount !== BigInt(amount)) return `the amount of receipt ${seq} does not follow from its usage`;
    earlier = rated.after;
  }
  return null;
}

/** Hashes of the receipts, each linked to the one before; or what is wrong with them. */
function chain(separator: Uint8Array, id: Uint8Array, proof: ReceiptProof): Uint8Array[] | string {
  const hashes: Uint8Array[] = [];
  let prevHash = fromHex(proof.prevHash);
  let before: { seq: number; cumulative: string } | undefined;
  for (const item of proof.receipts) {
    if (
      before &&
      (item.seq !== before.seq + 1 ||
        BigInt(item.cumulative) !== BigInt(before.cumulative) + BigInt(item.amount))
    )
      return `receipt ${item.seq} does not follow on ${before.seq}`;
    const receipt: Receipt = {
      channelId: id,
      seq: item.seq,
      prevHash,
      requestId: item.requestId,
      tariffHash: fromHex(item.tariffHash),
      modelHash: keccak(utf8(item.model)),
      usageHash: keccak(utf8(item.usage)),
      ioHash: fromHex(item.ioHash),
      startedAtMs: item.startedAtMs,
      computeUs: item.computeUs,
      amount: BigInt(item.amount),
      cumulative: BigInt(item.cumulative),
    };
    prevHash = receiptHash(separator, receipt);
    hashes.push(prevHash);
    before = item;
  }
  if (proof.receipts[0]!.seq === 1 && !sameBytes(fromHex(proof.prevHash), ZERO_WORD))
    return 'the first receipt of a channel has no predecessor';
  return hashes;
}

const invalid = (reason: string): Verdict => ({ kind: 'invalid', reason });
