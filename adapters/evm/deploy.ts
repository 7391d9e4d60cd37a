import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../../gateway/errors.ts';
import type { Signer } from '../../gateway/ports/chain.ts';
import { JsonRpc } from './rpc.ts';
import { createdAddress, signTransaction } from './transaction.ts';

export interface DeployedContracts {
  /** The AIMX token. */
  readonly token: string;
  readonly ledger: string;
}

export interface DeployOptions {
  readonly rpcUrl: string;
  readonly chainId: number;
  /** Pays, and receives the token's supply. */
  readonly signer: Signer;
  /** A token that exists already; absent: one is deployed. */
  readonly token?: string;
  readonly timeoutMs?: number;
}

/** The token takes about 1.3 million gas, the ledger 3.6. */
const DEPLOY_GAS = 6_000_000;
/** Nobody may stop deposits on a ledger that this deploys. */
const NO_GUARDIAN = '0'.repeat(64);

/**
 * Deploys token and ledger and waits until both are in the chain. Rejects with CHAIN_DEPLOY. The addresses follow from
 * the signer and its nonce alone.
 */
export async function deployContracts(options: DeployOptions): Promise<DeployedContracts> {
  const rpc = new JsonRpc(options.rpcUrl, options.timeoutMs);
  try {
    const id = Number(await rpc.call('eth_chainId'));
    if (id !== options.chainId) throw new Error(`the node serves chain ${id}, not ${options.chainId}`);
    const token = options.token ?? (await create(rpc, options, 'AIMX', word(options.signer.address)));
    return { token, ledger: await create(rpc, options, 'EdgeLedger', NO_GUARDIAN) };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GatewayError(
      'CHAIN_DEPLOY',
      `The contracts could not be deployed to ${options.rpcUrl}: ${reason}`,
      {
        cause,
      },
    );
  } finally {
    rpc.close();
  }
}

/** Creation code of a contract, as committed in deploy/contracts/artifacts. */
export function creationCode(contract: 'AIMX' | 'EdgeLedger'): string {
  const file = new URL(`../../deploy/contracts/artifacts/${contract}.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { bytecode: string }).bytecode;
}

async function create(
  rpc: JsonRpc,
  options: DeployOptions,
  contract: 'AIMX' | 'EdgeLedger',
  constructorArguments: string,
): Promise<string> {
  const { signer, chainId } = options;
  const nonce = Number(await rpc.call('eth_getTransactionCount', [signer.address, 'latest']));
  const block = (await rpc.call('eth_getBlockByNumber', ['latest', false])) as { baseFeePerGas?: string };
  const tip = BigInt((await rpc.call('eth_maxPriorityFeePerGas')) as string);
  const { raw, hash } = signTransaction(
    {
      chainId,
      nonce,
      tip,
      maxFee: BigInt(block.baseFeePerGas ?? 0) * 2n + tip,
      gasLimit: DEPLOY_GAS,
      to: null,
      data: Buffer.from(creationCode(contract).slice(2) + constructorArguments, 'hex'),
    },
    signer,
  );
  await rpc.call('eth_sendRawTransaction', [`0x${Buffer.from(raw).toString('hex')}`]);
  const end = performance.now() + (options.timeoutMs ?? 120_000);
  for (;;) {
    const receipt = await rpc.call('eth_getTransactionReceipt', [`0x${Buffer.from(hash).toString('hex')}`]);
    if (receipt) {
      if ((receipt as { status: string }).status !== '0x1') throw new Error(`${contract}: creation reverted`);
      return createdAddress(signer.address, nonce);
    }
    if (performance.now() > end) throw new Error(`${contract}: not mined in time`);
    await sleep(50);
  }
}

const word = (address: string): string => address.slice(2).padStart(64, '0');
