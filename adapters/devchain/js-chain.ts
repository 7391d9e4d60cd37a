import { type Block, createBlock } from '@ethereumjs/block';
import { Common, Hardfork, Mainnet } from '@ethereumjs/common';
import { createTxFromRLP } from '@ethereumjs/tx';
import {
  Account,
  bytesToHex,
  createAddressFromString,
  hexToBytes,
  type PrefixedHexString,
} from '@ethereumjs/util';
import { createVM, runTx, type VM } from '@ethereumjs/vm';

/** A transaction's place and result, as `eth_getTransactionReceipt` needs them. */
export interface Mined {
  readonly hash: string;
  readonly from: string;
  readonly to: string | null;
  readonly block: number;
  readonly blockHash: string;
  readonly succeeded: boolean;
  readonly gasUsed: bigint;
  readonly contract: string | null;
  readonly logs: readonly { address: string; topics: string[]; data: string }[];
}

export interface Called {
  readonly data: string;
  readonly reverted: boolean;
  readonly gasUsed: bigint;
}

type Change =
  | { readonly at: number; readonly raw: string }
  | { readonly balance: string; readonly of: string }
  /** Seconds that the clock is ahead from now on. */
  | { readonly ahead: number }
  /** An empty block. */
  | { readonly mine: number };

const BLOCK_GAS = 30_000_000n;
const BASE_FEE = 1_000_000_000n;

/** A chain of one: every transaction is a block, nothing is ever taken back. */
export class JsChain {
  readonly chainId: number;
  readonly #vm: VM;
  readonly #common: Common;
  readonly #blocks: Block[] = [];
  readonly #mined = new Map<string, Mined>();
  #tell: (line: string) => void = () => {};
  /** Seconds that block times are ahead of the clock. */
  #ahead = 0;
  /** Changes run one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(chainId: number, common: Common, vm: VM) {
    this.chainId = chainId;
    this.#common = common;
    this.#vm = vm;
    this.#blocks.push(this.#block(0));
  }

  static async create(chainId: number): Promise<JsChain> {
    const common = new Common({ chain: { ...Mainnet, chainId, name: 'dev' }, hardfork: Hardfork.Cancun });
    return new JsChain(chainId, common, await createVM({ common }));
  }

  /** Called with one line per change, before the change is answered. */
  onChange(tell: (line: string) => void): void {
    this.#tell = tell;
  }

  async replay(line: string): Promise<void> {
    await this.#apply(JSON.parse(line) as Change);
  }

  send(raw: string): Promise<string> {
    return this.#change({ at: this.#now(), raw });
  }

  /** Moves the time of later blocks ahead; answers how far they are ahead now. */
  increaseTime(seconds: number): Promise<string> {
    const last = Number(this.#blocks[this.#blocks.length - 1]!.header.timestamp);
    return this.#change({ ahead: this.#ahead + Math.max(0, last - this.#now()) + seconds });
  }

  /** Adds an empty block. */
  mine(): Promise<string> {
    return this.#change({ mine: this.#now() });
  }

  setBalance(of: string, balance: string): Promise<string> {
    return this.#change({ balance, of });
  }

  get height(): number {
    return this.#blocks.length - 1;
  }

  block(number: number): { number: number; hash: string; parentHash: string; timestamp: number } | undefined {
    const block = this.#blocks[number];
    if (!block) return undefined;
    return {
      number,
      hash: bytesToHex(block.hash()),
      parentHash: bytesToHex(block.header.parentHash),
      timestamp: Number(block.header.timestamp),
    };
  }

  receipt(hash: string): Mined | undefined {
    return this.#mined.get(hash);
  }

  /** Transactions in the chain, oldest first. */
  mined(): Iterable<Mined> {
    return this.#mined.values();
  }

  async nonce(address: string): Promise<bigint> {
    return (await this.#account(address))?.nonce ?? 0n;
  }

  async balance(address: string): Promise<bigint> {
    return (await this.#account(address))?.balance ?? 0n;
  }

  async code(address: string): Promise<string> {
    return bytesToHex(await this.#vm.stateManager.getCode(createAddressFromString(address)));
  }

  /** Runs a call on the newest state and takes it back. */
  call(from: string | undefined, to: string | undefined, data: string): Promise<Called> {
    return this.#inTurn(async () => {
      const caller = createAddressFromString(from ?? `0x${'0'.repeat(40)}`);
      await this.#vm.stateManager.checkpoint();
      try {
        const { execResult } = await this.#vm.evm.runCall({
          caller,
          origin: caller,
          ...(to ? { to: createAddressFromString(to) } : {}),
          data: hexToBytes(data as PrefixedHexString),
          gasLimit: BLOCK_GAS,
          block: this.#blocks[this.#blocks.length - 1]!,
        });
        return {
          data: bytesToHex(execResult.returnValue),
          reverted: execResult.exceptionError !== undefined,
          gasUsed: execResult.executionGasUsed,
        };
      } finally {
        await this.#vm.stateManager.revert();
      }
    });
  }

  #now(): number {
    return Math.floor(Date.now() / 1000) + this.#ahead;
  }

  #change(change: Change): Promise<string> {
    return this.#inTurn(async () => {
      const answer = await this.#apply(change);
      this.#tell(JSON.stringify(change));
      return answer;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn;
    return turn;
  }

  async #apply(change: Change): Promise<string> {
    if ('raw' in change) return this.#mine(change.raw, change.at);
    if ('ahead' in change) {
      this.#ahead = change.ahead;
      return String(change.ahead);
    }
    if ('mine' in change) {
      this.#blocks.push(this.#block(change.mine));
      return String(this.height);
    }
    const address = createAddressFromString(change.of);
    const account = (await this.#vm.stateManager.getAccount(address)) ?? new Account();
    account.balance = BigInt(change.balance);
    await this.#vm.stateManager.putAccount(address, account);
    return change.of;
  }

  async #mine(raw: string, at: number): Promise<string> {
    const tx = createTxFromRLP(hexToBytes(raw as PrefixedHexString), { common: this.#common });
    const hash = bytesToHex(tx.hash());
    if (this.#mined.has(hash)) throw new Error('already known');
    const sender = tx.getSenderAddress();
    if (tx.nonce < (await this.nonce(sender.toString()))) throw new Error('nonce too low');
    const block = this.#block(at);
    const result = await runTx(this.#vm, { tx, block });
    this.#blocks.push(block);
    this.#mined.set(hash, {
      hash,
      from: sender.toString(),
      to: tx.to?.toString() ?? null,
      block: this.height,
      blockHash: bytesToHex(block.hash()),
      succeeded: result.execResult.exceptionError === undefined,
      gasUsed: result.totalGasSpent,
      contract: result.createdAddress?.toString() ?? null,
      logs: (result.execResult.logs ?? []).map(([address, topics, data]) => ({
        address: bytesToHex(address),
        topics: topics.map((topic) => bytesToHex(topic)),
        data: bytesToHex(data),
      })),
    });
    return hash;
  }

  #block(at: number): Block {
    const parent = this.#blocks[this.#blocks.length - 1];
    const timestamp = Math.max(at, parent ? Number(parent.header.timestamp) + 1 : 0);
    const header = {
      number: this.#blocks.length,
      parentHash: parent?.hash() ?? new Uint8Array(32),
      timestamp,
      gasLimit: BLOCK_GAS,
      baseFeePerGas: BASE_FEE,
    };
    return createBlock(
      { header },
      { common: this.#common, skipConsensusFormatValidation: true, freeze: false },
    );
  }

  #account(address: string): Promise<Account | undefined> {
    return this.#vm.stateManager.getAccount(createAddressFromString(address));
  }
}
