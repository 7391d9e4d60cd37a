import type { ChainAnswer, Outcome, PostTerms, Signer } from '../../gateway/ports/chain.ts';
import type {
  Escrow,
  EscrowAction,
  EscrowTerms,
  EscrowView,
  PermitState,
} from '../../gateway/ports/escrow.ts';
import { type AbiValue, decodeValues, encodeCall } from './abi.ts';
import { encodeAction, readChannel } from './escrow-abi.ts';
import { createEvmChain, type EvmOptions } from './index.ts';
import { JsonRpc, type RpcCall, type RpcResult } from './rpc.ts';
import { signTransaction } from './transaction.ts';

/** The payer's side of the ledger on an EVM chain. Pure constructor; the first call opens the connection. */
export function createEvmEscrow(options: EvmOptions): Escrow {
  const ledger = options.ledger.toLowerCase();
  const { chainId, confirmations } = options;
  const rpc = new JsonRpc(options.rpcUrl, options.timeoutMs);
  const chain = createEvmChain(options);

  const look = async (id: Uint8Array, terms: EscrowTerms): Promise<ChainAnswer<EscrowView>> => {
    const { payer, provider, device, token } = terms;
    const [chainAnswer, latest, finalized, tip] = await rpc.batch([
      { method: 'eth_chainId', params: [] },
      { method: 'eth_getBlockByNumber', params: ['latest', false] },
      { method: 'eth_getBlockByNumber', params: ['finalized', false] },
      { method: 'eth_maxPriorityFeePerGas', params: [] },
    ]);
    const served = Number(resultOf(chainAnswer));
    if (served !== chainId) return wrong(`the node serves chain ${served}, not ${chainId}`);
    const newest = resultOf(latest) as { number: string; timestamp: string; baseFeePerGas?: string };
    const block = Number(newest.number);
    const known = finalized && 'result' in finalized ? (finalized.result as { number: string } | null) : null;
    const finalBlock = known ? Number(known.number) : Math.max(0, block - confirmations);
    const at = newest.number;
    const [channel, bond, tokens, allowance, coins, nonce, finalNonce] = await rpc.batch([
      view(ledger, at, 'channelOf(bytes32)', id),
      view(ledger, at, 'bondOf(address,address,address)', provider, device, token),
      view(token, at, 'balanceOf(address)', payer),
      view(token, at, 'allowance(address,address)', payer, ledger),
      { method: 'eth_getBalance', params: [payer, at] },
      { method: 'eth_getTransactionCount', params: [payer, at] },
      { method: 'eth_getTransactionCount', params: [payer, `0x${finalBlock.toString(16)}`] },
    ]);
    if (resultOf(channel) === '0x') return wrong(`there is no ledger at ${ledger} on chain ${chainId}`);
    if (resultOf(tokens) === '0x') return wrong(`there is no token at ${token} on chain ${chainId}`);
    return {
      ok: true,
      value: {
        ...{ block, time: Number(newest.timestamp), finalBlock },
        channel: readChannel(resultOf(channel) as string),
        tokens: firstWord(tokens),
        allowance: firstWord(allowance),
        bond: firstWord(bond),
        coins: BigInt(resultOf(coins) as string),
        nonce: Number(resultOf(nonce)),
        // A node that keeps no state of old blocks cannot say; nothing is then taken for final by its nonce.
        finalNonce: finalNonce && 'result' in finalNonce ? Number(finalNonce.result) : 0,
        baseFee: BigInt(newest.baseFeePerGas ?? 0),
        tip: tip && 'result' in tip ? BigInt(tip.result as string) : 1n,
      },
    };
  };

  const permitState = async (token: string, owner: string): Promise<ChainAnswer<PermitState | undefined>> => {
    const answers = await rpc.batch([
      view(token, 'latest', 'DOMAIN_SEPARATOR()'),
      view(token, 'latest', 'nonces(address)', owner),
    ]);
    // A token without permits reverts, or answers nothing.
    const [separator, nonce] = answers.map((answer) =>
      'result' in answer && answer.result !== '0x' ? firstWord(answer) : undefined,
    );
    if (separator === undefined || nonce === undefined) return { ok: true, value: undefined };
    const bytes = Buffer.from(separator.toString(16).padStart(64, '0'), 'hex');
    return { ok: true, value: { separator: new Uint8Array(bytes), nonce } };
  };

  return {
    chainId,
    ledger,
    look: (id, terms) => guarded(() => look(id, terms)),
    permitState: (token, owner) => guarded(() => permitState(token, owner)),
    sign(action: EscrowAction, terms: PostTerms, signer: Signer) {
      const { to, data, gasLimit } = encodeAction(action, ledger);
      const { nonce, maxFee, tip } = terms;
      const fields = { chainId, nonce, maxFee, tip, gasLimit, to: Buffer.from(to.slice(2), 'hex'), data };
      return signTransaction(fields, signer);
    },
    broadcast: (raw) => chain.broadcast(raw),
    outcome: (hash): Promise<ChainAnswer<Outcome | null>> => chain.outcome(hash),
    close() {
      rpc.close();
      chain.close();
    },
  };
}

const view = (to: string, block: string, signature: string, ...values: readonly AbiValue[]): RpcCall => ({
  method: 'eth_call',
  params: [{ to, data: encodeCall(signature, ...values) }, block],
});

/** The first word of a view's answer: an amount. */
const firstWord = (answer: RpcResult | undefined): bigint =>
  decodeValues('(uint256)', (resultOf(answer) as string).slice(0, 66))[0] as bigint;

function resultOf(answer: RpcResult | undefined): unknown {
  if (answer && 'result' in answer && answer.result !== null && answer.result !== undefined)
    return answer.result;
  throw new Error(answer && 'error' in answer ? answer.error.message : 'the node gave no result');
}

const wrong = (reason: string): ChainAnswer<never> => ({ ok: false, code: 'wrong', reason });

async function guarded<T>(ask: () => Promise<ChainAnswer<T>>): Promise<ChainAnswer<T>> {
  try {
    return await ask();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ok: false, code: 'unreachable', reason };
  }
}
