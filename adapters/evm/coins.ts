import { GatewayError } from '../../gateway/errors.ts';
import type { Signer } from '../../gateway/ports/chain.ts';
import { JsonRpc } from './rpc.ts';
import { mined } from './send-once.ts';
import { signTransaction } from './transaction.ts';

const TRANSFER_GAS = 21_000;

/** Sends all coins of an account, less the fee; answers how many: 0 when they would not pay for it. Rejects with CHAIN_NODE. */
export async function sendCoins(one: {
  readonly rpcUrl: string;
  readonly chainId: number;
  readonly signer: Signer;
  readonly to: string;
}): Promise<bigint> {
  const { rpcUrl, chainId, signer, to } = one;
  const rpc = new JsonRpc(rpcUrl);
  try {
    const id = Number(await rpc.call('eth_chainId'));
    if (id !== chainId) throw new Error(`the node serves chain ${id}, not ${chainId}`);
    const nonce = Number(await rpc.call('eth_getTransactionCount', [signer.address, 'latest']));
    const balance = BigInt((await rpc.call('eth_getBalance', [signer.address, 'latest'])) as string);
    const block = (await rpc.call('eth_getBlockByNumber', ['latest', false])) as { baseFeePerGas?: string };
    const tip = BigInt((await rpc.call('eth_maxPriorityFeePerGas')) as string);
    const maxFee = BigInt(block.baseFeePerGas ?? 0) * 2n + tip;
    const value = balance - maxFee * BigInt(TRANSFER_GAS);
    if (value <= 0n) return 0n;
    const recipient = Buffer.from(to.slice(2), 'hex');
    const fields = { chainId, nonce, tip, maxFee, gasLimit: TRANSFER_GAS, to: recipient, value };
    const { raw, hash } = signTransaction({ ...fields, data: new Uint8Array(0) }, signer);
    await rpc.call('eth_sendRawTransaction', [`0x${Buffer.from(raw).toString('hex')}`]);
    await mined(rpc, `0x${Buffer.from(hash).toString('hex')}`);
    return value;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GatewayError('CHAIN_NODE', `The coins could not be sent: ${reason}`, { cause });
  } finally {
    rpc.close();
  }
}
