import { readFileSync } from 'node:fs';
import { Contract, Interface, JsonRpcProvider, type TransactionReceipt, Wallet } from 'ethers';
import { onTestFinished } from 'vitest';
import { type DevChain, startDevChain } from '../../adapters/devchain/index.ts';
import { creationCode } from '../../adapters/evm/deploy.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';

export const abiOf = (contract: 'AIMX' | 'EdgeLedger'): Interface => {
  const file = new URL(`../../deploy/contracts/artifacts/${contract}.json`, import.meta.url);
  return new Interface((JSON.parse(readFileSync(file, 'utf8')) as { abi: [] }).abi);
};

export interface TestChain {
  readonly devchain: DevChain;
  readonly provider: JsonRpcProvider;
  /** A funded account, the same for the same name. */
  account(name: string): Promise<Wallet>;
  /** Deploys a fresh contract. */
  deploy(contract: 'AIMX' | 'EdgeLedger', from: Wallet, ...args: unknown[]): Promise<Contract>;
  /** Sends a call and answers its receipt; rejects with the named error of a revert. */
  send(contract: Contract, from: Wallet, method: string, ...args: unknown[]): Promise<TransactionReceipt>;
}

/** A fresh chain of one kind for one test. */
export async function testChain(engine: 'anvil' | 'ethereumjs'): Promise<TestChain> {
  const devchain = await startDevChain({ dir: temporaryFolder(), port: 0, log: recordingLog(), engine });
  onTestFinished(() => devchain.stop());
  const options = { staticNetwork: true, cacheTimeout: -1, batchMaxCount: 1, pollingInterval: 20 };
  const provider = new JsonRpcProvider(devchain.rpcUrl, devchain.chainId, options);
  onTestFinished(() => provider.destroy());
  const fees = { maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 1n };

  const raw = async (from: Wallet, to: string | null, data: string, gasLimit = 3_000_000) => {
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
    async account(name) {
      const own = new Wallet(`0x${Buffer.from(name.padEnd(32, '#')).toString('hex')}`);
      await devchain.fund(own.address.toLowerCase());
      return own;
    },
    async deploy(contract, from, ...args) {
      const abi = abiOf(contract);
      const receipt = await raw(from, null, creationCode(contract) + abi.encodeDeploy(args).slice(2));
      return new Contract(receipt.contractAddress!, abi, provider);
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
