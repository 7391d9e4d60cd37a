import { canonicalJson } from '../formats/canonical-json.ts';
import { proofSchema, type ReceiptProof, type Verdict, verifyProof } from './proof.ts';

/** What a file of proofs, one a line, comes to. */
export interface ExportVerdict {
  readonly kind: Verdict['kind'];
  readonly receipts: number;
  readonly valid: number;
  readonly incomplete: number;
  /** Channels whose receipts follow on each other without a gap within the file. */
  readonly channels: number;
  /** What the chain must have for this to be true: each batch once. */
  readonly batches: readonly ClaimedBatch[];
  /** What is wrong first, with the line it is in (from 1). */
  readonly problem?: { readonly line: number; readonly reason: string };
}

/** A batch that proofs lead to. */
export interface ClaimedBatch {
  readonly chainId: number;
  readonly ledger: string;
  readonly device: string;
  readonly head: string;
}

/** The batch of a proof; undefined while it has none. */
export const batchOf = ({ ledger, device, batch }: ReceiptProof): ClaimedBatch | undefined =>
  batch ? { chainId: ledger.chainId, ledger: ledger.address, device, head: batch.head } : undefined;

interface Last {
  readonly seq: number;
  readonly hash: string;
  readonly cumulative: bigint;
}

/**
 * Checks a file of proofs: each by itself, and that the receipts of each channel follow on each other, so that none was
 * left out, added or billed twice between the first and the last. Ends at the first false line.
 */
export async function verifyExport(lines: AsyncIterable<string>): Promise<ExportVerdict> {
  const channels = new Map<string, Last>();
  const batches = new Map<string, ClaimedBatch>();
  let line = 0;
  let valid = 0;
  let incomplete = 0;
  const result = (problem?: string): ExportVerdict => ({
    kind: problem !== undefined ? 'invalid' : incomplete > 0 ? 'incomplete' : 'valid',
    receipts: line,
    valid,
    incomplete,
    channels: channels.size,
    batches: [...batches.values()],
    ...(problem === undefined ? {} : { problem: { line, reason: problem } }),
  });
  for await (const text of lines) {
    line++;
    const verdict = verifyProof(`${text}\n`);
    if (verdict.kind === 'invalid') return result(verdict.reason);
    if (verdict.kind === 'valid') valid++;
    else incomplete++;
    const proof = proofSchema.parse(JSON.parse(text));
    const key = canonicalJson([proof.ledger, proof.channel]);
    const [first] = proof.receipts;
    const batch = batchOf(proof);
    if (batch) batches.set(batch.head, batch);
    const before = channels.get(key);
    if (before) {
      if (first!.seq !== before.seq + 1)
        return result(`receipt ${first!.seq} comes after ${before.seq} of its channel`);
      if (proof.prevHash !== before.hash)
        return result(`receipt ${first!.seq} does not link to the one before`);
      if (BigInt(first!.cumulative) !== before.cumulative + BigInt(first!.amount))
        return result(`the total of receipt ${first!.seq} does not follow from the one before`);
    }
    channels.set(key, {
      seq: first!.seq,
      hash: verdict.receiptHash,
      cumulative: BigInt(first!.cumulative),
    });
  }
  return line === 0 ? result('there is no receipt in it') : result();
}
