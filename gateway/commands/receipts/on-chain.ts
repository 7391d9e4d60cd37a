import { findPosted } from '../../../adapters/registry.ts';
import type { ClaimedBatch } from '../../billing/receipts/verify-export.ts';
import { asGatewayError, GatewayError } from '../../errors.ts';

/** Batches that the chain has, and the first that it has not. */
export interface OnChain {
  readonly found: readonly (ClaimedBatch & { readonly block: number; readonly transaction: string })[];
  readonly missing?: ClaimedBatch;
}

/** Asks a node for the event of each batch. Rejects with CHAIN_NODE when it cannot be asked. */
export async function lookOnChain(rpcUrl: string, batches: readonly ClaimedBatch[]): Promise<OnChain> {
  const found: OnChain['found'][number][] = [];
  for (const batch of batches) {
    try {
      const posted = await findPosted({ rpcUrl, ...batch });
      if (!posted) return { found, missing: batch };
      found.push({ ...batch, ...posted });
    } catch (cause) {
      throw new GatewayError('CHAIN_NODE', `${rpcUrl}: ${asGatewayError(cause).message}`, { cause });
    }
  }
  return { found };
}

/** In words, for people. */
export const onChainText = ({ found, missing }: OnChain): string =>
  missing
    ? `the ledger ${missing.ledger} has no batch with head ${missing.head}`
    : found.map(({ transaction, block }) => `on the chain: ${transaction} in block ${block}`).join('\n');
