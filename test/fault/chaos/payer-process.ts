import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../../support/gateway-process.ts';

/** `aimx-gateway payer run` as a process of its own, fed over its standard input, killed and started again. */
export class PayerProcess {
  readonly #folder: string;
  readonly #words: readonly string[];
  readonly #onAnswer: (line: string) => void;
  #child: ChildProcess | undefined;
  #gone: Promise<number | null> = Promise.resolve(0);
  errors = '';

  constructor(folder: string, words: readonly string[], onAnswer: (line: string) => void) {
    this.#folder = folder;
    this.#words = words;
    this.#onAnswer = onAnswer;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  start(): void {
    const child = spawn(process.execPath, [join(ROOT, 'gateway/main.ts'), 'payer', ...this.#words], {
      cwd: this.#folder,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#gone = new Promise((done) => child.once('exit', (code) => done(code)));
    // A payer that was killed has no use for what is written to it; it is written again to the next.
    child.stdin!.on('error', () => undefined);
    createInterface({ input: child.stdout! }).on('line', this.#onAnswer);
    child.stderr!.on('data', (chunk: Buffer) => {
      this.errors = (this.errors + chunk.toString()).slice(-20_000);
    });
  }

  ask(line: string): void {
    this.#child?.stdin?.write(`${line}\n`);
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#gone;
  }

  /** No more requests: it ends when all are answered. Resolves with the exit code. */
  end(): Promise<number | null> {
    this.#child?.stdin?.end();
    return this.#gone;
  }
}
