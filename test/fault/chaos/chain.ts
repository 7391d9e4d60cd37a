import { join } from 'node:path';
import { anvilBinary } from '../../../adapters/devchain/anvil.ts';
import { type ChainProcess, spawnChain } from '../../../adapters/devchain/process.ts';
import { decodeValues, encodeCall } from '../../../adapters/evm/abi.ts';
import { deployContracts } from '../../../adapters/evm/deploy.ts';
import { readChannel } from '../../../adapters/evm/escrow-abi.ts';
import { JsonRpc } from '../../../adapters/evm/rpc.ts';
import { signTransaction } from '../../../adapters/evm/transaction.ts';
import { keccak } from '../../../gateway/billing/formats/bytes.ts';
import { deviceSigner } from '../../../gateway/billing/keys/device-key.ts';
import type { EscrowState } from '../../../gateway/ports/escrow.ts';

const CHAIN_ID = 31337;
const OWNER = deviceSigner(keccak(Buffer.from('owner of all tokens in the chaos run')));
const RICH = `0x${(10n ** 24n).toString(16)}`;
/** With epochs of two slots, the block four below the newest is final. */
const EPOCH = 2;
export const DEEPEST_REORG = 3;

/** A chain that mines when it is told, and can be reorganised. */
export class ChaosChain {
  readonly chainId = CHAIN_ID;
  readonly port: number;
  token = '';
  ledger = '';
  blocks = 0;
  /** No reorganisation goes below: contracts and first funds. */
  #floor = 0;
  #process: ChainProcess | undefined;
  readonly #rpc: JsonRpc;

  constructor(port: number) {
    this.port = port;
    this.#rpc = new JsonRpc(`http://127.0.0.1:${port}`);
  }

  async start(folder: string): Promise<void> {
    const binary = anvilBinary();
    if (!binary) throw new Error('this machine has no anvil');
    const args = `--host 127.0.0.1 --port ${this.port} --chain-id ${CHAIN_ID} --silent --slots-in-an-epoch ${EPOCH} --preserve-historical-states --state`;
    this.#process = await spawnChain(
      'anvil',
      binary,
      [...args.split(' '), join(folder, 'anvil.json')],
      this.port,
      CHAIN_ID,
    );
    await this.give(OWNER.address);
    const rpcUrl = `http://127.0.0.1:${this.port}`;
    const { token, ledger } = await deployContracts({ rpcUrl, chainId: CHAIN_ID, signer: OWNER });
    this.token = token;
    this.ledger = ledger;
  }

  /** Coins for gas. */
  async give(address: string): Promise<void> {
    await this.#rpc.call('anvil_setBalance', [address, RICH]);
  }

  async transfer(to: string, amount: bigint): Promise<void> {
    const nonce = Number(await this.#rpc.call('eth_getTransactionCount', [OWNER.address, 'latest']));
    const data = Buffer.from(encodeCall('transfer(address,uint256)', to, amount).slice(2), 'hex');
    const fees = { tip: 1n, maxFee: 10n ** 12n, gasLimit: 100_000 };
    const { raw } = signTransaction(
      { chainId: CHAIN_ID, nonce, ...fees, to: Buffer.from(this.token.slice(2), 'hex'), data },
      OWNER,
    );
    await this.#rpc.call('eth_sendRawTransaction', [`0x${Buffer.from(raw).toString('hex')}`]);
  }

  /** From now on blocks come only by {@link mine}; what is there stays. */
  async settleDown(): Promise<void> {
    await this.#rpc.call('anvil_mine', ['0x6']);
    await this.#rpc.call('evm_setAutomine', [false]);
    this.#floor = await this.height();
  }

  async height(): Promise<number> {
    return Number(await this.#rpc.call('eth_blockNumber'));
  }

  async mine(blocks = 1): Promise<void> {
    await this.#rpc.call('anvil_mine', [`0x${blocks.toString(16)}`]);
    this.blocks += blocks;
  }

  /** Takes the newest blocks away, their transactions too, and puts empty ones in their place. Answers how many. */
  async reorganise(depth: number): Promise<number> {
    const real = Math.min(depth, DEEPEST_REORG, (await this.height()) - this.#floor);
    if (real > 0) await this.#rpc.call('anvil_reorg', [real, []]);
    return real;
  }

  /** Transactions that wait are forgotten, as by a node that was restarted. */
  async forgetWaiting(): Promise<void> {
    await this.#rpc.call('anvil_dropAllTransactions');
  }

  /** The next block is dearer: what waits at the old price may have to be replaced. */
  async raiseFees(gwei: number): Promise<void> {
    await this.#rpc.call('anvil_setNextBlockBaseFeePerGas', [`0x${(BigInt(gwei) * 10n ** 9n).toString(16)}`]);
  }

  async advance(seconds: number): Promise<void> {
    await this.#rpc.call('evm_increaseTime', [`0x${seconds.toString(16)}`]);
    await this.mine();
  }

  async channel(id: string): Promise<EscrowState> {
    return readChannel((await this.#view(this.ledger, encodeCall('channelOf(bytes32)', id))) as string);
  }

  async tokens(address: string): Promise<bigint> {
    const answer = (await this.#view(this.token, encodeCall('balanceOf(address)', address))) as string;
    return decodeValues('(uint256)', answer)[0] as bigint;
  }

  #view(to: string, data: string): Promise<unknown> {
    return this.#rpc.call('eth_call', [{ to, data }, 'latest']);
  }

  async stop(): Promise<void> {
    this.#rpc.close();
    await this.#process?.stop();
  }
}
