import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { anvilBinary } from '../../adapters/devchain/anvil.ts';
import { type ChainProcess, spawnChain } from '../../adapters/devchain/process.ts';
import { deployContracts, plannedContracts } from '../../adapters/evm/deploy.ts';
import { createEvmChain } from '../../adapters/evm/index.ts';
import { JsonRpc } from '../../adapters/evm/rpc.ts';
import type { BookKey } from '../../gateway/billing/book-rows.ts';
import { keccak, toHex } from '../../gateway/billing/formats/bytes.ts';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';
import { ChannelMeter } from '../../gateway/billing/metering/meter.ts';
import { DEFAULT_MAX_BYTES } from '../../gateway/billing/metering/space.ts';
import { Poster } from '../../gateway/billing/posting/poster.ts';
import type { PosterRules } from '../../gateway/billing/posting/poster-rules.ts';
import { DEFAULT_TARIFF } from '../../gateway/billing/tariff/tariff.ts';
import type { Chain } from '../../gateway/ports/chain.ts';
import { manualClock } from '../support/clock.ts';
import { type ModuleStore, moduleStore } from './harness.ts';
import { uses } from './uses.ts';

const DEPLOYER = deviceSigner(keccak(Buffer.from('deployer of the fault tests')));
export const CHAIN_ID = 31337;

/** Numbers in [0, 1) that follow from the seed alone. */
export function randomFrom(seed: number): () => number {
  let n = 0;
  return () => createHash('sha256').update(`${seed}/${n++}`).digest().readUInt32BE(0) / 2 ** 32;
}

/** The process ends at this instant: nothing after it happens. */
class Crash extends Error {}

export type Fault =
  | 'crash-before-commit'
  | 'crash-after-commit'
  | 'crash-before-send'
  | 'crash-after-send'
  | 'answer-lost'
  | 'unreachable'
  | 'dropped'
  | 'reorg'
  | 'fee-spike'
  | 'stale-send'
  | 'chain-killed'
  | 'blocks-lost';

/** A poster on a real chain and a real database, with a hand on everything that can go wrong. */
export class FaultRig {
  readonly counts = new Map<Fault, number>();
  readonly clock = manualClock();
  readonly signer = deviceSigner(keccak(Buffer.from('device of the fault tests')));
  readonly #dir: string;
  readonly #random: () => number;
  readonly #rules: PosterRules;
  readonly #reorgDepth: number;
  readonly #spikeGwei: number;
  #process!: ChainProcess;
  #rpc!: JsonRpc;
  #chain!: Chain;
  #port = 0;
  #floor = 0;
  #receipts = 0;
  #crashRate = 0;
  store!: ModuleStore;
  poster!: Poster;
  book!: BookKey;
  #meter!: ChannelMeter;

  /**
   * @param reorgDepth blocks that a reorganisation takes back at most
   * @param spikeGwei highest base fee of a spike
   */
  constructor(dir: string, seed: number, rules: PosterRules, { reorgDepth = 8, spikeGwei = 90 } = {}) {
    this.#reorgDepth = reorgDepth;
    this.#spikeGwei = spikeGwei;
    this.#dir = dir;
    this.#random = randomFrom(seed);
    this.#rules = rules;
  }

  async start(port: number): Promise<void> {
    this.#port = port;
    await this.#startChain();
    const rpcUrl = `http://127.0.0.1:${port}`;
    const ledger = await this.#ensureLedger();
    await this.#rpc.call('evm_setAutomine', [false]);
    this.book = { chainId: CHAIN_ID, address: ledger, device: this.signer.address };
    this.#chain = createEvmChain({ rpcUrl, chainId: CHAIN_ID, ledger, confirmations: 64 });
    this.#meter = new ChannelMeter({
      book: this.book,
      token: ledger,
      tariff: DEFAULT_TARIFF,
      clock: this.clock,
      coalesceAbove: 1e9,
      maxBytes: DEFAULT_MAX_BYTES,
    });
    await this.mine();
    this.#floor = Number(await this.#rpc.call('eth_blockNumber'));
    this.restart();
  }

  /** A new process: the database file and the chain are all that is left. */
  restart(): void {
    this.store?.db.close();
    this.store = moduleStore(join(this.#dir, 'gateway.db'));
    this.store.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
    this.store.onCommit((when) => {
      if (this.#chance(this.#crashRate / 4))
        this.#crash(when === 'before' ? 'crash-before-commit' : 'crash-after-commit');
    });
    const { clock, signer, book, store } = this;
    this.poster = new Poster({ store, chain: this.#faultyChain(), signer, book, clock, rules: this.#rules });
  }

  /** One round with receipts before it and a fault or none during or after it. */
  async turbulence(): Promise<void> {
    if (this.#chance(0.7)) await this.addReceipts(1 + Math.floor(this.#random() * 60));
    this.#crashRate = 0.3;
    await this.roundOrCrash();
    this.#crashRate = 0;
    this.clock.advance(1_000);
    const dice = this.#random();
    if (dice < 0.1) await this.#dropPending();
    else if (dice < 0.2) await this.#reorg();
    else if (dice < 0.28) await this.#spike();
    else if (dice < 0.36) await this.#sendStale();
    else if (dice < 0.39) await this.#killChain();
    else if (dice < 0.42) await this.#loseBlocks();
    else if (dice < 0.8) await this.mine();
  }

  async roundOrCrash(): Promise<void> {
    try {
      await this.poster.round();
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.restart();
    }
  }

  async addReceipts(count: number): Promise<void> {
    const given = uses(this.#receipts + 1, this.#receipts + count);
    try {
      await this.store.commit({ ops: this.#meter.charge(given) });
      this.#receipts += count;
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
  }

  get receipts(): number {
    return this.#receipts;
  }

  /** Transactions that took the place of another one with their nonce. */
  get replacements(): number {
    const all = 'SELECT count(*) - count(DISTINCT nonce) AS n FROM billing_txs';
    return (this.store.db.prepare(all).get() as { n: number }).n;
  }

  get faults(): number {
    return [...this.counts.values()].reduce((sum, n) => sum + n, 0);
  }

  /** Calm weather until everything is posted, then until it is final. */
  async drain(): Promise<void> {
    for (let i = 0; i < 60; i++) {
      const round = await this.poster.round();
      if (round.kind === 'settled' && round.view.head.toSeq === this.#receipts) break;
      await this.mine();
      this.clock.advance(1_000);
    }
    await this.mine(70);
    for (let i = 0; i < 3; i++) await this.poster.round();
  }

  mine(blocks = 1): Promise<unknown> {
    return this.#rpc.call('anvil_mine', [`0x${blocks.toString(16)}`]);
  }

  async events(): Promise<{ topics: string[]; data: string }[]> {
    const filter = { address: this.book.address, fromBlock: '0x0', toBlock: 'latest' };
    return (await this.#rpc.call('eth_getLogs', [filter])) as { topics: string[]; data: string }[];
  }

  async stop(): Promise<void> {
    this.#chain?.close();
    this.#rpc?.close();
    await this.#process?.stop();
    this.store?.db.close();
  }

  #faultyChain(): Chain {
    const chain = this.#chain;
    return {
      chainId: chain.chainId,
      ledger: chain.ledger,
      close: () => {},
      signPost: (...args) => chain.signPost(...args),
      outcome: (hash) => chain.outcome(hash),
      view: (device) => {
        if (!this.#chance(this.#crashRate / 6)) return chain.view(device);
        return Promise.resolve(this.#unreachable('unreachable'));
      },
      broadcast: async (raw) => {
        if (this.#chance(this.#crashRate / 3)) this.#crash('crash-before-send');
        const answer = await chain.broadcast(raw);
        if (this.#chance(this.#crashRate / 3)) this.#crash('crash-after-send');
        return this.#chance(this.#crashRate / 4) ? this.#unreachable('answer-lost') : answer;
      },
    };
  }

  #unreachable(fault: Fault) {
    this.#note(fault);
    return { ok: false, code: 'unreachable', reason: fault } as const;
  }

  async #dropPending(): Promise<void> {
    const [tx] = this.#transactions('ORDER BY signed_at DESC LIMIT 1');
    if (!tx) return;
    this.#note('dropped');
    await this.#rpc.call('anvil_dropTransaction', [toHex(tx.hash)]);
  }

  async #reorg(): Promise<void> {
    const height = Number(await this.#rpc.call('eth_blockNumber'));
    const depth = Math.min(1 + Math.floor(this.#random() * this.#reorgDepth), height - this.#floor);
    if (depth < 1) return;
    this.#note('reorg');
    await this.#rpc.call('anvil_reorg', [depth, []]);
  }

  async #spike(): Promise<void> {
    this.#note('fee-spike');
    const fee = BigInt(1 + Math.floor(this.#random() * this.#spikeGwei)) * 10n ** 9n;
    await this.#rpc.call('anvil_setNextBlockBaseFeePerGas', [`0x${fee.toString(16)}`]);
    await this.mine();
  }

  /** Somebody sends an old transaction of ours again. */
  async #sendStale(): Promise<void> {
    const all = this.#transactions('');
    const tx = all[Math.floor(this.#random() * all.length)];
    if (!tx) return;
    this.#note('stale-send');
    await this.#chain.broadcast(tx.raw);
  }

  async #killChain(): Promise<void> {
    this.#note('chain-killed');
    await this.#rpc.call('anvil_mine', ['0x1']);
    process.kill(this.#process.pid, 'SIGKILL');
    await this.#startChain();
    await this.#ensureLedger();
    await this.#rpc.call('evm_setAutomine', [false]);
    const height = Number(await this.#rpc.call('eth_blockNumber'));
    this.#floor = height; // a restarted anvil cannot go back behind the state it was started with
  }

  /** Blocks are gone, transactions and all, as after a restart from an older state. */
  async #loseBlocks(): Promise<void> {
    this.#note('blocks-lost');
    const snapshot = await this.#rpc.call('evm_snapshot');
    await this.roundOrCrash();
    await this.mine(2);
    await this.roundOrCrash();
    await this.#rpc.call('evm_revert', [snapshot]);
  }

  /** A chain that was killed before it first wrote its state has nothing, and gets the ledger again. */
  async #ensureLedger(): Promise<string> {
    const rich = `0x${(10n ** 24n).toString(16)}`;
    const { ledger } = plannedContracts(DEPLOYER.address);
    if ((await this.#rpc.call('eth_getCode', [ledger, 'latest'])) !== '0x') return ledger;
    for (const { address } of [DEPLOYER, this.signer])
      await this.#rpc.call('anvil_setBalance', [address, rich]);
    const rpcUrl = `http://127.0.0.1:${this.#port}`;
    return (await deployContracts({ rpcUrl, chainId: CHAIN_ID, signer: DEPLOYER })).ledger;
  }

  async #startChain(): Promise<void> {
    const binary = anvilBinary();
    if (!binary) throw new Error('no anvil');
    const args = `--host 127.0.0.1 --port ${this.#port} --chain-id ${CHAIN_ID} --silent --state-interval 1 --preserve-historical-states --state`;
    this.#process = await spawnChain(
      'anvil',
      binary,
      [...args.split(' '), join(this.#dir, 'anvil.json')],
      this.#port,
      CHAIN_ID,
    );
    this.#rpc?.close();
    this.#rpc = new JsonRpc(`http://127.0.0.1:${this.#port}`);
  }

  #transactions(order: string): { hash: Uint8Array; raw: Uint8Array }[] {
    return this.store.db.prepare(`SELECT hash, raw FROM billing_txs ${order}`).all() as never;
  }

  #crash(fault: Fault): never {
    this.#note(fault);
    throw new Crash(fault);
  }

  #note(fault: Fault): void {
    this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }
}
