import { setTimeout as sleep } from 'node:timers/promises';
import type { Signer } from '../../gateway/ports/chain.ts';
import type { JsonRpc } from './rpc.ts';
import { signTransaction } from './transaction.ts';

export interface OneTransaction {
  readonly chainId: number;
  readonly signer: Signer;
  readonly to: string;
  readonly data: Uint8Array;
  readonly value?: bigint;
  /** Asked of the node where it is not given. */
  readonly gasLimit?: number;
  readonly timeoutMs?: number;
}

export interface SentOnce {
  readonly transaction: string;
  readonly block: number;
  readonly gasUsed: number;
}

const MINED_WITHIN_MS = 120_000;
/** Between looks at a transaction: a fifth of the shortest block time in use. */
const LOOK_MS = 50;
/** The estimate is of the present state; another transaction may come before this one. */
const GAS_MARGIN = 1.2;

const KNOWN = /already ?(known|imported)|known transaction/i;

/**
 * Signs a transaction, sends it and waits until it is in the chain: for commands that a person runs and can run again, not
 * for what must happen exactly once. Rejects with the node's reason, also when the transaction would revert.
 */
export async function sendOnce(rpc: JsonRpc, one: OneTransaction): Promise<SentOnce> {
  const { chainId, signer, to, data, value = 0n } = one;
  const call = { from: signer.address, to, data: hex(data), value: `0x${value.toString(16)}` };
  const gasLimit = one.gasLimit ?? Math.ceil(Number(await rpc.call('eth_estimateGas', [call])) * GAS_MARGIN);
  const nonce = Number(await rpc.call('eth_getTransactionCount', [signer.address, 'latest']));
  const block = (await rpc.call('eth_getBlockByNumber', ['latest', false])) as { baseFeePerGas?: string };
  const tip = BigInt((await rpc.call('eth_maxPriorityFeePerGas')) as string);
  const maxFee = BigInt(block.baseFeePerGas ?? 0) * 2n + tip;
  const recipient = Buffer.from(to.slice(2), 'hex');
  const { raw, hash } = signTransaction(
    { chainId, nonce, tip, maxFee, gasLimit, to: recipient, value, data },
    signer,
  );
  try {
    await rpc.call('eth_sendRawTransaction', [hex(raw)]);
  } catch (error) {
    // The very same, sent before: then that is what is waited for.
    if (!(error instanceof Error && KNOWN.test(error.message))) throw error;
  }
  return await mined(rpc, hex(hash), one.timeoutMs);
}

/** Waits until a transaction is in the chain. Rejects when it has reverted or does not come in time. */
export async function mined(rpc: JsonRpc, hash: string, timeoutMs = MINED_WITHIN_MS): Promise<SentOnce> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const receipt = (await rpc.call('eth_getTransactionReceipt', [hash])) as {
      status: string;
      blockNumber: string;
      gasUsed: string;
    } | null;
    if (receipt) {
      if (receipt.status !== '0x1') throw new Error(`transaction ${hash} reverted`);
      return { transaction: hash, block: Number(receipt.blockNumber), gasUsed: Number(receipt.gasUsed) };
    }
    if (performance.now() > end) throw new Error(`transaction ${hash} was not mined in time`);
    await sleep(LOOK_MS);
  }
}

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;
