import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKeystore, openKeystore } from '../../../gateway/billing/keys/keystore.ts';
import { randomFrom } from '../../billing/fault-rig.ts';
import {
  freePorts,
  type GatewayPorts,
  type GatewayProcess,
  ROOT,
  runCommand,
  startGatewayProcess,
  writeConfig,
} from '../../support/gateway-process.ts';
import { type TcpGate, tcpGate } from '../../support/tcp-gate.ts';
import { type PayerBooks, readPayerBooks } from './books.ts';
import { ChaosChain } from './chain.ts';
import { PayerProcess } from './payer-process.ts';

const PROVIDER = `0x${'9a'.repeat(20)}`;
const FUNDS = 10n ** 18n;
/** About eighty inferences: it runs dry again and again. */
const DEPOSIT = '0.01';
const TARIFF = {
  version: 1,
  name: 'chaos',
  fixed: '1',
  prices: {
    inference: [{ upTo: 100, price: '100000000000000' }, { price: '120000000000000' }],
    compute_us: '1000003',
    byte_in: '7',
    byte_out: '11',
  },
  free: { inference: 7 },
  minimum: '500000000000000',
};
const OUTSTANDING = 12;
const BLOCK_MS = 400;
const WEEK_S = 7 * 86_400;

interface ChannelDocument {
  readonly newest: { readonly seq: string; readonly cumulative: string; readonly receiptHash: string };
  readonly deposit: { readonly balance: string; readonly paid: string };
  readonly acknowledged: { readonly seq: string; readonly cumulative: string } | null;
}

export interface ChaosOptions {
  readonly seed: number;
  readonly mqtt: boolean;
  readonly topUp: boolean;
}

/** One run: who takes part, what goes wrong, and what must be true in the end. */
export class ChaosRun {
  readonly problems: string[] = [];
  readonly #folder: string;
  readonly #random: () => number;
  readonly #mqtt: boolean;
  readonly #topUp: boolean;
  readonly #faults = new Map<string, number>();
  /** Answers by request, as they were printed. */
  readonly #answers = new Map<string, Set<string>>();
  readonly #asked = new Map<string, string>();
  readonly #late = new Set<string>();
  #ports!: GatewayPorts;
  #chain!: ChaosChain;
  #gateway: GatewayProcess | undefined;
  #payer!: PayerProcess;
  #gates!: { readonly door: TcpGate; readonly payerChain: TcpGate; readonly gatewayChain: TcpGate };
  #deposit: Promise<unknown> | undefined;
  #drySince: number | undefined;
  #mined = 0;
  #asking = true;
  #filling = true;

  constructor(folder: string, { seed, mqtt, topUp }: ChaosOptions) {
    this.#folder = folder;
    this.#random = randomFrom(seed);
    this.#mqtt = mqtt;
    this.#topUp = topUp;
  }

  async start(): Promise<void> {
    this.#ports = await freePorts();
    const { mqtt: chainPort } = await freePorts();
    this.#chain = new ChaosChain(chainPort);
    await this.#chain.start(join(this.#folder, 'chain'));
    this.#gates = {
      door: await tcpGate(() => (this.#mqtt ? this.#ports.mqtt : this.#ports.http)),
      payerChain: await tcpGate(() => chainPort),
      gatewayChain: await tcpGate(() => chainPort),
    };
    const keys = await createKeystore(join(this.#folder, 'keys'));
    await this.#chain.give((await openKeystore(keys)).address);
    writeFileSync(join(this.#folder, 'tariff.json'), JSON.stringify(TARIFF));
    const { token, ledger, chainId } = this.#chain;
    writeConfig(this.#folder, this.#ports, {
      gateway: { name: 'chaos', dataDir: './data' },
      streams: [],
      pipelines: [],
      billing: {
        chain: {
          rpcUrl: `http://127.0.0.1:${this.#gates.gatewayChain.port}`,
          ...{ chainId, token, ledger, ...keys, replaceAfter: '5s' },
        },
        ...{ provider: PROVIDER, tariff: './tariff.json', batch: { idle: '2s' } },
      },
    });
    this.#gateway = await startGatewayProcess(this.#folder, this.#ports);
    const { wallet } = JSON.parse((await this.#command('init', '--json')).stdout) as { wallet: string };
    await this.#chain.give(wallet);
    await this.#chain.transfer(wallet, FUNDS);
    const url = `http://127.0.0.1:${this.#ports.http}`;
    const opened = await this.#command(
      'open',
      '--gateway',
      url,
      '--deposit',
      DEPOSIT,
      ...this.#rpc(),
      '--json',
    );
    if (opened.code !== 0) throw new Error(`payer open: ${opened.stdout} ${opened.stderr}`);
    await this.#chain.settleDown();
    this.#mined = performance.now();
    const door = `${this.#mqtt ? 'mqtt' : 'http'}://127.0.0.1:${this.#gates.door.port}`;
    const words = ['run', 'room-comfort', '-', ...this.#dir(), ...this.#rpc(), '--patience', '1h'];
    words.push(...(this.#mqtt ? ['--mqtt', door] : ['--gateway', door]));
    words.push('--settle-every', '300ms', '--watch-every', '1s', '--window', '30', '--concurrency', '6');
    if (this.#topUp) words.push('--top-up', DEPOSIT);
    this.#payer = new PayerProcess(this.#folder, words, (line) => this.#onAnswer(line));
    this.#payer.start();
  }

  #dir = (): string[] => ['--dir', join(this.#folder, 'payer')];
  #rpc = (): string[] => ['--rpc', `http://127.0.0.1:${this.#gates.payerChain.port}`];
  #books = (): PayerBooks => readPayerBooks(join(this.#folder, 'payer', 'payer.db'));

  #command(...words: string[]) {
    return runCommand(['payer', ...words, ...this.#dir()], this.#folder, { timeoutMs: 60_000 });
  }

  #onAnswer(line: string): void {
    let document: { id?: string; error?: { code: string; message: string } };
    try {
      document = JSON.parse(line) as typeof document;
    } catch {
      return; // the last line of a payer that was killed while it wrote
    }
    const { id = '', error } = document;
    // A gateway that was away for long answers late requests so, once for all, and does not bill them.
    if (error?.code === 'DEADLINE') this.#late.add(id);
    else if (error) this.problems.push(`${id} was answered with ${error.code}: ${error.message}`);
    // A newer head may stand in a receipt that is answered again; the answer itself must be the same.
    const text = line.replace(/,"head":\{[^}]*\}/, '');
    const known = this.#answers.get(id) ?? new Set();
    this.#answers.set(id, known.add(text));
  }

  /** Everything goes wrong, one thing after another, for `ms`. */
  async chaos(ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (performance.now() < end && this.problems.length === 0) {
      const until = performance.now() + 300 + this.#random() * 900;
      while (performance.now() < until) await this.#tick();
      await this.#fault();
    }
  }

  /** A little of normal life: blocks, requests, deposits when there is need. */
  async #tick(): Promise<void> {
    if (performance.now() - this.#mined > BLOCK_MS) {
      this.#mined = performance.now();
      await this.#chain.mine();
    }
    this.#askMore();
    this.#fill();
    await sleep(50);
  }

  /** Requests that must be billed in the end. */
  get #served(): number {
    return this.#asked.size - this.#late.size;
  }

  get #unanswered(): string[] {
    return [...this.#asked.keys()].filter((id) => !this.#answers.has(id));
  }

  #askMore(): void {
    if (!this.#asking || !this.#payer.running) return;
    for (let open = this.#unanswered.length; open < OUTSTANDING; open++) {
      const id = `c-${this.#asked.size + 1}`;
      const data = Array.from({ length: 40 }, (_, i) => (this.#asked.size + i) % 50);
      const line = JSON.stringify({
        id,
        inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 8, 5], data }],
      });
      this.#asked.set(id, line);
      this.#payer.ask(line);
    }
  }

  /** Fills the escrow once it has been dry for a while; the command that does it may be killed too. */
  #fill(): void {
    if (!this.#filling || this.#topUp) return;
    const { balance, cumulative, unpaid } = this.#books();
    const dry = balance - cumulative < 10n ** 15n && unpaid === 0;
    this.#drySince = dry ? (this.#drySince ?? performance.now()) : undefined;
    if (this.#drySince === undefined || performance.now() - this.#drySince < 2000 || this.#deposit) return;
    this.#count('escrow dry');
    const kill = this.#random() < 0.4 ? 300 + Math.floor(this.#random() * 1200) : 30_000;
    const how = this.#random() < 0.5 ? '--approve' : '--permit';
    const words = ['payer', 'deposit', DEPOSIT, ...this.#dir(), ...this.#rpc(), how];
    const options = { cwd: this.#folder, timeout: kill, killSignal: 'SIGKILL' } as const;
    this.#deposit = new Promise<void>((done) => {
      execFile(process.execPath, [join(ROOT, 'gateway/main.ts'), ...words], options, (error) => {
        if (error?.killed) this.#count('deposit killed');
        done();
      });
    }).finally(() => {
      this.#deposit = undefined;
      this.#drySince = undefined;
    });
  }

  async #fault(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.12) await this.#killGateway();
    else if (dice < 0.3) await this.#killPayer();
    else if (dice < 0.36) await Promise.all([this.#killGateway(), this.#killPayer()]);
    else if (dice < 0.62) {
      const names = ['door', 'payerChain', 'gatewayChain'] as const;
      const name = names[Math.floor(this.#random() * 3)]!;
      this.#count(`${name} cut`);
      const gate = this.#gates[name];
      await gate.cut();
      const until = performance.now() + this.#random() * 2500;
      while (performance.now() < until) await this.#tick();
      await gate.mend();
    } else if (dice < 0.8) {
      const depth = await this.#chain.reorganise(1 + Math.floor(this.#random() * 3));
      if (depth > 0) this.#count('reorganisation');
    } else if (dice < 0.9) {
      this.#count('transactions dropped');
      await this.#chain.forgetWaiting();
    } else {
      this.#count('fees raised');
      await this.#chain.raiseFees(1 + Math.floor(this.#random() * 60));
    }
  }

  async #killGateway(): Promise<void> {
    this.#count('gateway killed');
    await this.#gateway?.kill();
    await sleep(this.#random() * 800);
    this.#gateway = await startGatewayProcess(this.#folder, this.#ports, { timeoutMs: 60_000 });
  }

  async #killPayer(): Promise<void> {
    this.#count('payer killed');
    await this.#payer.kill();
    await sleep(this.#random() * 500);
    this.#restartPayer();
  }

  /** What had no answer is asked again; the payer knows by the id that it is the same. */
  #restartPayer(): void {
    this.#payer.start();
    for (const id of this.#unanswered) this.#payer.ask(this.#asked.get(id)!);
  }

  #count(fault: string): void {
    this.#faults.set(fault, (this.#faults.get(fault) ?? 0) + 1);
  }

  /** Everything is mended; resolves when all is answered, acknowledged, paid and final. */
  async calm(): Promise<void> {
    const quiet = async (what: string, done: () => Promise<boolean> | boolean, ms: number): Promise<void> => {
      const end = performance.now() + ms;
      while (!(await done())) {
        if (performance.now() > end)
          throw new Error(`not in ${ms / 1000} s of calm: ${what}; ${await this.#state()}`);
        if (!this.#payer.running) this.#restartPayer();
        await this.#tick();
      }
    };
    this.#asking = false;
    await quiet('the last requests answered', () => this.#unanswered.length === 0, 60_000);
    await quiet(
      'everything acknowledged and all payments final',
      () => {
        const books = this.#books();
        return (
          books.acked === books.seq && books.seq === this.#served && books.unpaid === 0 && !this.#deposit
        );
      },
      60_000,
    );
    const code = await this.#payer.end();
    if (code !== 0 && this.#late.size === 0)
      this.problems.push(`the payer ended with ${code}: ${this.#payer.errors.slice(-500)}`);
    this.#filling = false;
    const { id, cumulative } = this.#books();
    const end = performance.now() + 60_000;
    while ((await this.#chain.channel(id)).paid < cumulative) {
      if (performance.now() > end) throw new Error(`not paid in 60 s of calm: ${await this.#state()}`);
      await this.#tick();
    }
    await this.#chain.mine(6);
  }

  async #state(): Promise<string> {
    const books = this.#books();
    const text = JSON.stringify(books, (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    const chain = await this.#chain.channel(books.id);
    return `${text}; on the chain ${chain.paid} of ${chain.balance} paid`;
  }

  /** Compares the three: payer, gateway, chain. */
  async verdict(): Promise<string[]> {
    const books = this.#books();
    const gateway = await this.#gateway!.api<ChannelDocument>(`/api/v1/channels/${books.id}`);
    const chain = await this.#chain.channel(books.id);
    const same = (what: string, ...values: readonly (string | bigint | number)[]): void => {
      if (new Set(values.map(String)).size > 1) this.problems.push(`${what}: ${values.join(', ')}`);
    };
    same('receipts (payer, gateway, requests)', books.seq, gateway.newest.seq, this.#served);
    same('billed and answered (payer)', books.billed, books.answered, this.#served);
    same('the newest receipt', books.hash, gateway.newest.receiptHash);
    same(
      'spent',
      books.cumulative,
      gateway.newest.cumulative,
      chain.paid,
      await this.#chain.tokens(PROVIDER),
    );
    same('acknowledged', books.ackedCumulative, gateway.acknowledged?.cumulative ?? 'none', books.cumulative);
    same('in escrow since the beginning', books.deposited, chain.balance);
    same('tokens in the ledger', chain.balance - chain.paid, await this.#chain.tokens(this.#chain.ledger));
    if (books.refusal !== null) this.problems.push(`the payer refused: ${books.refusal}`);
    for (const [id, texts] of this.#answers)
      if (texts.size !== 1) this.problems.push(`${id} has ${texts.size} different answers`);
    const left = chain.balance - chain.paid;
    if (left > 0n) await this.#takeBack(left);
    const faults = [...this.#faults].map(([name, n]) => `${n} × ${name}`).join(', ');
    return [
      `faults: ${faults}; ${this.#chain.blocks} blocks`,
      `${this.#asked.size} requests, ${this.#late.size} too late, the others answered once and billed once: ${books.cumulative} wei on all sides`,
      `${books.deposited} wei deposited, ${left} wei taken back`,
    ];
  }

  /** The rest goes back to the payer, who then has all but what was spent. */
  async #takeBack(left: bigint): Promise<void> {
    const stopped = await this.#gateway!.stop();
    this.#gateway = undefined;
    if (stopped !== 0) this.problems.push(`the gateway ended with ${stopped}`);
    const { wallet } = JSON.parse((await this.#command('init', '--json')).stdout) as { wallet: string };
    for (const words of [['thaw', FUNDS_TEXT], ['withdraw']]) {
      const done = this.#command(...words, ...this.#rpc());
      const mining = (async () => {
        for (let i = 0; i < 40; i++) {
          await this.#chain.mine();
          await sleep(250);
        }
      })();
      const { code, stdout, stderr } = await done;
      await mining;
      if (code !== 0) this.problems.push(`payer ${words[0]}: ${stdout} ${stderr}`);
      await this.#chain.advance(WEEK_S + 60);
    }
    const { cumulative } = this.#books();
    const has = await this.#chain.tokens(wallet);
    if (has !== FUNDS - cumulative)
      this.problems.push(`the wallet has ${has}, not ${FUNDS - cumulative}; ${left} were left`);
    const rest = await this.#chain.tokens(this.#chain.ledger);
    if (rest !== 0n) this.problems.push(`${rest} wei remain in the ledger`);
  }

  evidence(): string {
    return `payer:\n${this.#payer?.errors.slice(-3000)}\ngateway:\n${this.#gateway?.log().slice(-6000)}`;
  }

  async stop(): Promise<void> {
    await this.#payer?.kill();
    await this.#gateway?.kill();
    await this.#chain?.stop();
    for (const gate of Object.values(this.#gates ?? {})) await gate.close();
  }
}

/** All that can be left. */
const FUNDS_TEXT = '1';
