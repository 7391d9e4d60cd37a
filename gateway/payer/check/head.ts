import { headDigest } from '../../billing/formats/documents.ts';
import type { SignedStatement } from '../../billing/formats/wire.ts';
import { recoverAddress } from '../../billing/keys/device-key.ts';
import type { EscrowState, StatedHead } from '../../ports/escrow.ts';

/** Whether the channel's device has signed this head. */
export function signedBy(
  separator: Uint8Array,
  channelId: Uint8Array,
  device: string,
  { signature, ...head }: SignedStatement,
): boolean {
  return recoverAddress(headDigest(separator, { channelId, ...head }), signature) === device.toLowerCase();
}

/**
 * The head that refutes a claim which waits on the ledger, as the ledger decides it: one for the same or a
 * later receipt with less in all, or another receipt at the claim's number. The one with the least in all goes first, because
 * it costs the device the most. Undefined when none of `heads` contradicts the claim.
 */
export function refuting(
  claim: Pick<EscrowState, 'held' | 'heldSeq' | 'heldHash'>,
  heads: readonly StatedHead[],
): StatedHead | undefined {
  if (claim.held === 0n) return undefined;
  let best: StatedHead | undefined;
  for (const head of heads) {
    const equivocates = head.seq === claim.heldSeq && Buffer.compare(head.receiptHash, claim.heldHash) !== 0;
    if (equivocates) return head;
    if (head.seq < claim.heldSeq || head.cumulative >= claim.held) continue;
    if (!best || head.cumulative < best.cumulative) best = head;
  }
  return best;
}
