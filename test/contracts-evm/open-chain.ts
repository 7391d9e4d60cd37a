import { readFileSync } from 'node:fs';
import { Contract, Interface, JsonRpcProvider, type TransactionReceipt, Wallet } from 'ethers';
import { type DevChain, startDevChain } from '../../adapters/devchain/index.ts';
import { recordingLog } from '../support/log.ts';

/** Contracts with a committed artefact. */
export type ContractName = 'AIMX' | 'EdgeLedger' | 'GatewayDirectory' | 'BenchmarkRegistry' | TestToken;

/** Tokens that misbehave. */
type TestToken = 'FeeToken' | 'ReentrantToken';

function artefact(contract: ContractName): { readonly abi: []; readonly bytecode: string } {
  const own = contract === 'FeeToken' || contract === 'ReentrantToken';
  const folder = own ? './' : '../../deploy/contracts/artifacts/';
  return JSON.parse(readFileSync(new URL(`${folder}${contract}.json`, import.meta.url), 'utf8'));
}

export const abiOf = (contract: ContractName): Interface => {
  return new Interface(artefact(contract).abi);
};

export interface TestChain {
  readonly devchain: DevChain;
  readonly provider: JsonRpcProvider;
  /** A funded account, the same for the same name. */
  account(name: string): Promise<Wallet>;
  /** Deploys a fresh contract. */
  deploy(contract: ContractName, from: Wallet, ...args: unknown[]): Promise<Contract>;
  /** Moves the chain's time ahead and mines a block. */
  advance(seconds: number): Promise<void>;
  /** Time of the newest block, seconds since the epoch. */
  now(): Promise<number>;
  /** Sends a call and answers its receipt; rejects with the named error of a revert. */
  send(contract: Contract, from: Wallet, method: string, ...args: unknown[]): Promise<TransactionReceipt>;
}

export interface OpenChain extends TestChain {
  close(): Promise<void>;
}

/** A fresh chain with its state in `dir`; whoever opens it closes it. */
export async function openChain(engine: 'anvil' | 'ethereumjs', dir: string): Promise<OpenChain> {
  const devchain = await startDevChain({ dir, port: 0, log: recordingLog(), engine });
  const options = { staticNetwork: true, cacheTimeout: -1, batchMaxCount: 1, pollingInterval: 20 };
  const provider = new JsonRpcProvider(devchain.rpcUrl, devchain.chainId, options);
  const fees = { maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 1n };

  const raw = async (from: Wallet, to: string | null, data: string, gasLimit = 6_000_000) => {
    const nonce = await provider.getTransactionCount(from.address, 'latest');
    const signed = await from.signTransaction({
      type: 2,
      chainId: devchain.chainId,
      nonce,
      to,
      data,
      gasLimit,
      ...fees,
    });
    const hash = await provider.send('eth_sendRawTransaction', [signed]);
    // A chain answers with the hash before the block is there.
    for (;;) {
      const receipt = await provider.getTransactionReceipt(hash);
      if (receipt) return receipt;
    }
  };

  return {
    devchain,
    provider,
    async close() {
      provider.destroy();
      await devchain.stop();
    },
    async account(name) {
      const own = new Wallet(`0x${Buffer.from(name.padEnd(32, '#')).toString('hex')}`);
      await devchain.fund(own.address.toLowerCase());
      return own;
    },
    async deploy(contract, from, ...args) {
      const abi = abiOf(contract);
      const receipt = await raw(from, null, artefact(contract).bytecode + abi.encodeDeploy(args).slice(2));
      return new Contract(receipt.contractAddress!, abi, provider);
    },
    async advance(seconds) {
      await provider.send('evm_increaseTime', [seconds]);
      await provider.send('evm_mine', []);
    },
    async now() {
      return (await provider.getBlock('latest'))!.timestamp;
    },
    async send(contract, from, method, ...args) {
      // Asked first, so that a revert comes back with its reason.
      await contract.getFunction(method).staticCall(...args, { from: from.address });
      return raw(from, await contract.getAddress(), contract.interface.encodeFunctionData(method, args));
    },
  };
}

/** Name of the custom error in a rejected call. */
export async function revertOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    return (error as { revert?: { name: string } }).revert?.name ?? String(error);
  }
  return 'no revert';
}
