import { keccak_256 } from '@noble/hashes/sha3.js';
import type {
  Chain,
  ChainAnswer,
  ChainView,
  LedgerHead,
  Outcome,
  PostFields,
  PostTerms,
  Signer,
} from '../../gateway/ports/chain.ts';
import type { ChannelLedger } from '../../gateway/ports/channel-ledger.ts';
import { createChannelLedger } from './channel-ledger.ts';
import { JsonRpc, type RpcCall, type RpcError, type RpcResult } from './rpc.ts';
import { signTransaction } from './transaction.ts';

export interface EvmOptions {
  readonly rpcUrl: string;
  readonly chainId: number;
  /** Address of the ledger contract. */
  readonly ledger: string;
  /** Blocks that count as final where the node knows no `finalized` block. */
  readonly confirmations: number;
  readonly timeoutMs?: number;
}

/** A device's first post writes new slots and costs 70,240 (asserted in a test); later ones half of that. */
const POST_GAS = 150_000;

const POST = selector('post(bytes32,bytes32,uint64,uint128)');
const HEAD_OF = selector('headOf(address)');

/** The ledger on an EVM chain, over plain JSON-RPC. Pure constructor; the first call opens the connection. */
export function createEvmChain(options: EvmOptions): Chain {
  return new EvmChain(options);
}

class EvmChain implements Chain {
  readonly chainId: number;
  readonly ledger: string;
  readonly channels: ChannelLedger;
  readonly #rpc: JsonRpc;
  readonly #confirmations: number;

  constructor(options: EvmOptions) {
    this.chainId = options.chainId;
    this.ledger = options.ledger.toLowerCase();
    this.#confirmations = options.confirmations;
    this.#rpc = new JsonRpc(options.rpcUrl, options.timeoutMs);
    this.channels = createChannelLedger({ ...options, ledger: this.ledger, rpc: this.#rpc });
  }

  async view(device: string): Promise<ChainAnswer<ChainView>> {
    return this.#guarded<ChainView>(async () => {
      const [chainId, latest, finalized, tip] = await this.#rpc.batch([
        { method: 'eth_chainId', params: [] },
        { method: 'eth_getBlockByNumber', params: ['latest', false] },
        { method: 'eth_getBlockByNumber', params: ['finalized', false] },
        { method: 'eth_maxPriorityFeePerGas', params: [] },
      ]);
      const id = Number(resultOf(chainId));
      if (id !== this.chainId) return wrong(`the node serves chain ${id}, not ${this.chainId}`);
      const block = resultOf(latest) as { number: string; timestamp?: string; baseFeePerGas?: string };
      const number = Number(block.number);
      const finalNumber = this.#finalBlock(number, finalized);
      const headAt = (tag: string): RpcCall => ({
        method: 'eth_call',
        params: [{ to: this.ledger, data: HEAD_OF + device.slice(2).padStart(64, '0') }, tag],
      });
      const [head, nonce, final, coins] = await this.#rpc.batch([
        headAt(block.number),
        { method: 'eth_getTransactionCount', params: [device, block.number] },
        headAt(`0x${finalNumber.toString(16)}`),
        { method: 'eth_getBalance', params: [device, block.number] },
      ]);
      const present = readHead(resultOf(head));
      if (!present) return wrong(`there is no ledger at ${this.ledger} on chain ${this.chainId}`);
      return {
        ok: true,
        value: {
          block: number,
          ...(block.timestamp === undefined ? {} : { time: Number(block.timestamp) }),
          head: present,
          finalHead: final && 'result' in final ? readHead(final.result) : undefined,
          nonce: Number(resultOf(nonce)),
          baseFee: BigInt(block.baseFeePerGas ?? 0),
          tip: tip && 'result' in tip ? BigInt(tip.result as string) : 1n,
          ...(coins && 'result' in coins && typeof coins.result === 'string'
            ? { coins: BigInt(coins.result) }
            : {}),
        },
      };
    });
  }

  signPost(post: PostFields, terms: PostTerms, signer: Signer): { raw: Uint8Array; hash: Uint8Array } {
    return signTransaction(
      {
        chainId: this.chainId,
        nonce: terms.nonce,
        maxFee: terms.maxFee,
        tip: terms.tip,
        gasLimit: POST_GAS,
        to: Buffer.from(this.ledger.slice(2), 'hex'),
        data: encodePost(post),
      },
      signer,
    );
  }

  async broadcast(raw: Uint8Array): Promise<ChainAnswer<'sent' | 'known'>> {
    return this.#guarded(async () => {
      const [answer] = await this.#rpc.batch([
        { method: 'eth_sendRawTransaction', params: [`0x${Buffer.from(raw).toString('hex')}`] },
      ]);
      return answer && 'error' in answer ? refusal(answer.error) : { ok: true, value: 'sent' };
    });
  }

  async outcome(hash: Uint8Array): Promise<ChainAnswer<Outcome | null>> {
    return this.#guarded(async () => {
      const params = [`0x${Buffer.from(hash).toString('hex')}`];
      const receipt = (await this.#rpc.call('eth_getTransactionReceipt', params)) as {
        blockNumber: string;
        status: string;
        gasUsed: string;
        effectiveGasPrice?: string;
      } | null;
      if (!receipt) return { ok: true, value: null };
      const { blockNumber, status, gasUsed, effectiveGasPrice } = receipt;
      return {
        ok: true,
        value: {
          block: Number(blockNumber),
          succeeded: status === '0x1',
          gasUsed: Number(gasUsed),
          ...(effectiveGasPrice === undefined ? {} : { gasPrice: BigInt(effectiveGasPrice) }),
        },
      };
    });
  }

  close(): void {
    this.#rpc.close();
  }

  /** The later of the node's own `finalized` block and nothing, else the configured depth below the newest. */
  #finalBlock(latest: number, finalized: RpcResult | undefined): number {
    const known = finalized && 'result' in finalized ? (finalized.result as { number: string } | null) : null;
    return known ? Number(known.number) : Math.max(0, latest - this.#confirmations);
  }

  async #guarded<T>(ask: () => Promise<ChainAnswer<T>>): Promise<ChainAnswer<T>> {
    try {
      return await ask();
    } catch (error) {
      return {
        ok: false,
        code: 'unreachable',
        reason: error instanceof Error ? error.message : String(error),
      };
    }
  }
}

/** Call data of `post`. */
export function encodePost(post: PostFields): Uint8Array {
  const words = Buffer.alloc(4 + 4 * 32);
  words.set(Buffer.from(POST.slice(2), 'hex'), 0);
  words.set(post.prevHead, 4);
  words.set(post.root, 36);
  words.set(Buffer.from(post.toSeq.toString(16).padStart(64, '0'), 'hex'), 68);
  words.set(Buffer.from(post.total.toString(16).padStart(64, '0'), 'hex'), 100);
  return words;
}

function selector(signature: string): string {
  return `0x${Buffer.from(keccak_256(Buffer.from(signature)).subarray(0, 4)).toString('hex')}`;
}

function resultOf(answer: RpcResult | undefined): unknown {
  if (answer && 'result' in answer && answer.result !== null && answer.result !== undefined)
    return answer.result;
  throw new Error(answer && 'error' in answer ? answer.error.message : 'the node gave no result');
}

/** `(bytes32 head, uint64 toSeq, uint64 batches, uint128 total)`; undefined when there is no such contract. */
function readHead(result: unknown): LedgerHead | undefined {
  if (typeof result !== 'string' || !/^0x[0-9a-f]{256}$/i.test(result)) return undefined;
  const word = (index: number) => result.slice(2 + index * 64, 66 + index * 64);
  return {
    head: new Uint8Array(Buffer.from(word(0), 'hex')),
    toSeq: Number(BigInt(`0x${word(1)}`)),
    batches: Number(BigInt(`0x${word(2)}`)),
    total: BigInt(`0x${word(3)}`),
  };
}

const wrong = (reason: string): ChainAnswer<never> => ({ ok: false, code: 'wrong', reason });

/** Nodes word their refusals differently; these are the words of geth, anvil, Hardhat, Nethermind and Besu. */
function refusal(error: RpcError): ChainAnswer<'sent' | 'known'> {
  const words = error.message.toLowerCase();
  if (/already ?(known|imported)|known transaction|already in|transaction already/.test(words))
    return { ok: true, value: 'known' };
  if (/nonce (is )?too low|nonce already used|old nonce/.test(words))
    return { ok: false, code: 'nonce', reason: error.message };
  if (/underpriced|less than block base fee|max fee per gas|fee too low|gas price below/.test(words))
    return { ok: false, code: 'underpriced', reason: error.message };
  return { ok: false, code: 'refused', reason: error.message };
}
