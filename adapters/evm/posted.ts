import { keccak_256 } from '@noble/hashes/sha3.js';
import { JsonRpc } from './rpc.ts';

/** Where a batch is in the chain. */
export interface Posted {
  readonly block: number;
  readonly transaction: string;
}

/** A batch as a proof names it; all hexadecimal with 0x. */
export interface PostedQuery {
  readonly rpcUrl: string;
  readonly chainId: number;
  readonly ledger: string;
  readonly device: string;
  /** The device's head after the batch. */
  readonly head: string;
}

const BATCH_POSTED = `0x${Buffer.from(
  keccak_256(Buffer.from('BatchPosted(address,uint64,bytes32,bytes32,bytes32,uint64,uint128)')),
).toString('hex')}`;

/** Public nodes answer about this many blocks at a time. */
const SPAN = 5_000;

/**
 * Looks for the event of a batch. Null when the chain has none. Rejects when the node does not answer or serves another
 * chain.
 */
export async function findPosted({
  rpcUrl,
  chainId,
  ledger,
  device,
  head,
}: PostedQuery): Promise<Posted | null> {
  const rpc = new JsonRpc(rpcUrl);
  const logs = async (from: number, to: number): Promise<Posted | null> => {
    const filter = {
      address: ledger,
      fromBlock: quantity(from),
      toBlock: quantity(to),
      topics: [BATCH_POSTED, `0x${device.slice(2).padStart(64, '0')}`, null, head],
    };
    const found = (await rpc.call('eth_getLogs', [filter])) as {
      blockNumber: string;
      transactionHash: string;
    }[];
    const first = found[0];
    return first ? { block: Number(first.blockNumber), transaction: first.transactionHash } : null;
  };
  try {
    const id = Number(await rpc.call('eth_chainId'));
    if (id !== chainId) throw new Error(`the node serves chain ${id}, the receipt is for chain ${chainId}`);
    const latest = Number(await rpc.call('eth_blockNumber'));
    try {
      return await logs(0, latest);
    } catch (error) {
      if (latest <= SPAN) throw error;
    }
    // Nodes that do not answer for all blocks at once are asked piece by piece, newest first.
    for (let to = latest; to >= 0; to -= SPAN) {
      const found = await logs(Math.max(0, to - SPAN + 1), to);
      if (found) return found;
    }
    return null;
  } finally {
    rpc.close();
  }
}

const quantity = (value: number): string => `0x${value.toString(16)}`;
