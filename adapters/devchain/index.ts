import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';
import type { Log } from '../../gateway/ports/log.ts';
import { type DeployedContracts, deployContracts, plannedContracts } from '../evm/deploy.ts';
import { JsonRpc } from '../evm/rpc.ts';
import { anvilBinary, anvilProcess } from './anvil.ts';
import { ethereumjsProcess } from './ethereumjs-process.ts';
import type { ChainProcess } from './process.ts';

export interface DevChainOptions {
  /** Folder of the chain's state. */
  readonly dir: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly log: Log;
  /** `auto`: anvil where its binary is installed, else the JavaScript chain. */
  readonly engine?: 'auto' | 'anvil' | 'ethereumjs';
}

export interface DevChain {
  readonly rpcUrl: string;
  readonly chainId: number;
  readonly addresses: DeployedContracts;
  readonly engine: 'anvil' | 'ethereumjs';
  /** Gives an account 100 units of the chain's coin, so that it can pay for gas. */
  fund(address: string): Promise<void>;
  /** Ends the process; its state stays in the folder. */
  stop(): Promise<void>;
}

export const DEV_CHAIN_ID = 31337;

/** Deploys, and owns the token's supply, on every dev chain: the addresses are the same everywhere. Worth nothing. */
const deployer = deviceSigner(keccak_256(Buffer.from('AIMX edge gateway: deployer of local dev chains')));
const HUNDRED_COINS = `0x${(100n * 10n ** 18n).toString(16)}`;

/** Starts a chain for development on loopback and deploys the contracts. Rejects with DEVCHAIN_START. */
export async function startDevChain(options: DevChainOptions): Promise<DevChain> {
  mkdirSync(options.dir, { recursive: true });
  const port = options.port || (await freePort());
  const chain = await startProcess(options, port);
  const rpcUrl = `http://127.0.0.1:${port}`;
  try {
    const addresses = await ensureContracts(rpcUrl);
    options.log.info({ rpcUrl, engine: chain.engine, ...addresses }, 'devchain: ready');
    return {
      rpcUrl,
      chainId: DEV_CHAIN_ID,
      addresses,
      engine: chain.engine,
      fund: (address) => setBalance(rpcUrl, address),
      stop: () => chain.stop(),
    };
  } catch (error) {
    await chain.stop();
    throw error;
  }
}

function startProcess(options: DevChainOptions, port: number): Promise<ChainProcess> {
  const engine = options.engine ?? 'auto';
  const binary = engine === 'ethereumjs' ? undefined : anvilBinary();
  if (binary) return anvilProcess(binary, options.dir, port, DEV_CHAIN_ID, options.log);
  if (engine === 'auto')
    options.log.info({}, 'devchain: no anvil for this machine, using the slower chain in JavaScript');
  return ethereumjsProcess(options.dir, port, DEV_CHAIN_ID);
}

async function ensureContracts(rpcUrl: string): Promise<DeployedContracts> {
  const addresses = plannedContracts(deployer.address);
  const rpc = new JsonRpc(rpcUrl);
  try {
    // The last that is deployed.
    if ((await rpc.call('eth_getCode', [addresses.benchmarks, 'latest'])) !== '0x') return addresses;
    await rpc.call('anvil_setBalance', [deployer.address, HUNDRED_COINS]);
  } finally {
    rpc.close();
  }
  return await deployContracts({ rpcUrl, chainId: DEV_CHAIN_ID, signer: deployer });
}

async function setBalance(rpcUrl: string, address: string): Promise<void> {
  const rpc = new JsonRpc(rpcUrl);
  try {
    await rpc.call('anvil_setBalance', [address, HUNDRED_COINS]);
  } finally {
    rpc.close();
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
