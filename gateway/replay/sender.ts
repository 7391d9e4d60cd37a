import type { ReplayTransport } from '../ports/replay-transport.ts';
import type { BadRow } from './csv-rows.ts';

const MAX_PROBLEMS = 10;

/** Keeps the transport's window full and the order of each device; counts what became of the rows. */
export class Sender {
  readonly #transport: ReplayTransport;
  readonly #stream: string;
  readonly #contentFormat: number;
  readonly #progressed: () => void;
  /** The newest message of each device that is under way; only kept where the transport does not keep the order. */
  readonly #newest = new Map<string, Promise<void>>();
  #underWay = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  acknowledged = 0;
  rejected = 0;
  skipped = 0;
  readonly problems: BadRow[] = [];

  constructor(transport: ReplayTransport, stream: string, contentFormat: number, progressed: () => void) {
    this.#transport = transport;
    this.#stream = stream;
    this.#contentFormat = contentFormat;
    this.#progressed = progressed;
  }

  /** Resolves when there is room for the next message. Rejects as soon as any message has failed for good. */
  async send(device: string, line: number, rows: number, payload: Uint8Array): Promise<void> {
    const message = { stream: this.#stream, device, payload, contentFormat: this.#contentFormat };
    await this.#room(() => this.#underWay < this.#transport.window);
    this.#underWay += 1;
    const before = this.#transport.ordered ? undefined : this.#newest.get(device);
    const delivered = (before ?? Promise.resolve()).then(() => this.#transport.send(message));
    const settled = delivered.then(
      (answer) => {
        if (answer.kind === 'acknowledged') this.acknowledged += rows;
        else {
          this.rejected += rows;
          this.#note({ line, problem: answer.reason });
        }
      },
      (error: Error) => {
        this.#failure ??= error;
      },
    );
    const ended = settled.then(() => {
      this.#underWay -= 1;
      if (this.#newest.get(device) === ended) this.#newest.delete(device);
      this.#progressed();
      this.#wake?.();
    });
    if (!this.#transport.ordered) this.#newest.set(device, ended);
  }

  skip(row: BadRow): void {
    this.skipped += 1;
    this.#note(row);
  }

  /** Resolves when nothing is under way. */
  async finish(): Promise<void> {
    await this.#room(() => this.#underWay === 0);
  }

  async #room(there: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (there()) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #note(problem: BadRow): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(problem);
  }
}
