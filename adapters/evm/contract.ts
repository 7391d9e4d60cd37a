import type { ChainAnswer, Signer } from '../../gateway/ports/chain.ts';
import type { InChain } from '../../gateway/ports/directory.ts';
import { type AbiResult, type AbiValue, decodeValues, encodeCall, selectorOf } from './abi.ts';
import { JsonRpc, type RpcResult } from './rpc.ts';
import { sendOnce } from './send-once.ts';

export interface ContractOptions {
  readonly rpcUrl: string;
  readonly chainId: number;
  readonly address: string;
  /** Signatures of what the contract may revert with, to tell the caller by name. */
  readonly errors: readonly string[];
  readonly timeoutMs?: number;
}

/** What nodes say when the account has sent something else with the same nonce. */
const BUSY = /nonce|underpriced/i;

/** One contract on one chain, for commands: views as of one block, and transactions that are waited for. */
export class EvmContract {
  readonly #options: ContractOptions;
  readonly #rpc: JsonRpc;
  readonly #names: ReadonlyMap<string, string>;

  constructor(options: ContractOptions) {
    this.#options = options;
    this.#rpc = new JsonRpc(options.rpcUrl, options.timeoutMs);
    this.#names = new Map(options.errors.map((signature) => [selectorOf(signature), signature]));
  }

  /** Looks at the chain with a reader whose views are all of the newest block. */
  look<T>(see: (view: View) => Promise<T>): Promise<ChainAnswer<T>> {
    return this.#guarded<T>(async () => {
      const [id, block] = await this.#rpc.batch([
        { method: 'eth_chainId', params: [] },
        { method: 'eth_blockNumber', params: [] },
      ]);
      const served = Number(resultOf(id));
      const { chainId, address } = this.#options;
      if (served !== chainId) return wrong(`the node serves chain ${served}, not ${chainId}`);
      const at = resultOf(block) as string;
      const code = resultOf((await this.#rpc.batch([{ method: 'eth_getCode', params: [address, at] }]))[0]);
      if (code === '0x') return wrong(`there is no contract at ${address} on chain ${chainId}`);
      const view: View = async (signature, types, ...values) => {
        const params = [{ to: address, data: encodeCall(signature, ...values) }, at];
        const [answer] = await this.#rpc.batch([{ method: 'eth_call', params }]);
        return decodeValues(types, resultOf(answer) as string);
      };
      return { ok: true, value: await see(view) };
    });
  }

  /** Sends a call that `payer` pays and waits until it is in the chain. */
  send(payer: Signer, signature: string, ...values: readonly AbiValue[]): Promise<ChainAnswer<InChain>> {
    return this.#guarded<InChain>(async () => {
      const { address, chainId } = this.#options;
      const data = encodeCall(signature, ...values);
      const [id, tried] = await this.#rpc.batch([
        { method: 'eth_chainId', params: [] },
        { method: 'eth_call', params: [{ from: payer.address, to: address, data }, 'latest'] },
      ]);
      const served = Number(resultOf(id));
      if (served !== chainId) return wrong(`the node serves chain ${served}, not ${chainId}`);
      if (tried && 'error' in tried)
        return { ok: false, code: 'refused', reason: this.#reasonOf(tried.error) };
      const bytes = Buffer.from(data.slice(2), 'hex');
      try {
        const value = await sendOnce(this.#rpc, { chainId, signer: payer, to: address, data: bytes });
        return { ok: true, value };
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (!BUSY.test(reason)) throw error;
        const why =
          'another transaction of this key waits, such as a batch of the gateway: try again in a minute';
        return { ok: false, code: 'nonce', reason: why };
      }
    });
  }

  close(): void {
    this.#rpc.close();
  }

  #reasonOf({ message, data }: { readonly message: string; readonly data?: unknown }): string {
    const name = typeof data === 'string' ? this.#names.get(data.slice(0, 10)) : undefined;
    return name ? `the contract refuses: ${name}` : message;
  }

  async #guarded<T>(ask: () => Promise<ChainAnswer<T>>): Promise<ChainAnswer<T>> {
    try {
      return await ask();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { ok: false, code: 'unreachable', reason };
    }
  }
}

/** A view function as of one block: its signature, the types of its answer, its arguments. */
export type View = (
  signature: string,
  types: string,
  ...values: readonly AbiValue[]
) => Promise<readonly AbiResult[]>;

function resultOf(answer: RpcResult | undefined): unknown {
  if (answer && 'result' in answer && answer.result !== null && answer.result !== undefined)
    return answer.result;
  throw new Error(answer && 'error' in answer ? answer.error.message : 'the node gave no result');
}

const wrong = (reason: string): ChainAnswer<never> => ({ ok: false, code: 'wrong', reason });
