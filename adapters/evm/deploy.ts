import { GatewayError } from '../../gateway/errors.ts';
import type { Signer } from '../../gateway/ports/chain.ts';
import { type ContractName, PROXY, planOf } from './create2.ts';
import { JsonRpc } from './rpc.ts';
import { mined, sendOnce } from './send-once.ts';

export interface DeployedContracts {
  /** The AIMX token. */
  readonly token: string;
  readonly ledger: string;
  readonly directory: string;
  /** The registry of benchmark results. */
  readonly benchmarks: string;
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

/** Creation takes 1.1 (token), 3.7 (ledger), 2.5 (directory) and 2.1 (registry) million gas. */
const DEPLOY_GAS = 6_000_000;

/** Where {@link deployContracts} puts the contracts: the same on every chain; the token's address follows from who gets its supply. */
export function plannedContracts(treasury: string, token?: string): DeployedContracts {
  const address = (name: ContractName): string | undefined =>
    planOf(treasury, token).find(({ contract }) => contract === name)?.address;
  return {
    token: token ?? address('AIMX')!,
    ledger: address('EdgeLedger')!,
    directory: address('GatewayDirectory')!,
    benchmarks: address('BenchmarkRegistry')!,
  };
}

/**
 * Deploys what is not there yet and waits until it is in the chain; again after a failure it goes on where it stopped.
 * Rejects with CHAIN_DEPLOY.
 */
export async function deployContracts(options: DeployOptions): Promise<DeployedContracts> {
  const { rpcUrl, chainId, signer, token, timeoutMs } = options;
  const rpc = new JsonRpc(rpcUrl, timeoutMs);
  try {
    const id = Number(await rpc.call('eth_chainId'));
    if (id !== chainId) throw new Error(`the node serves chain ${id}, not ${chainId}`);
    await ensureProxy(rpc, options);
    for (const { contract, address, data } of planOf(signer.address, token)) {
      if (await hasCode(rpc, address)) continue;
      const to = PROXY.address;
      await sendOnce(rpc, {
        chainId,
        signer,
        to,
        data,
        gasLimit: DEPLOY_GAS,
        ...(timeoutMs ? { timeoutMs } : {}),
      });
      if (!(await hasCode(rpc, address))) throw new Error(`${contract} is not at ${address}`);
    }
    return plannedContracts(signer.address, token);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `The contracts could not be deployed to ${rpcUrl}: ${reason}`;
    throw new GatewayError('CHAIN_DEPLOY', message, { cause });
  } finally {
    rpc.close();
  }
}

/** Puts the deployment proxy on a chain that has none, by the transaction that made it elsewhere. */
async function ensureProxy(rpc: JsonRpc, { chainId, signer }: DeployOptions): Promise<void> {
  const code = (await rpc.call('eth_getCode', [PROXY.address, 'latest'])) as string;
  if (code === PROXY.code) return;
  if (code !== '0x') throw new Error(`there is another contract at ${PROXY.address}`);
  const has = BigInt((await rpc.call('eth_getBalance', [PROXY.deployer, 'latest'])) as string);
  if (has < PROXY.cost) {
    const value = PROXY.cost - has;
    const gasLimit = 21_000;
    await sendOnce(rpc, { chainId, signer, to: PROXY.deployer, data: new Uint8Array(0), value, gasLimit });
  }
  await mined(rpc, (await rpc.call('eth_sendRawTransaction', [PROXY.transaction])) as string);
}

const hasCode = async (rpc: JsonRpc, address: string): Promise<boolean> =>
  (await rpc.call('eth_getCode', [address, 'latest'])) !== '0x';
