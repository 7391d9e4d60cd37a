import type { Answered, InferAnswer } from '../../gateway/oip.ts';
import { joined, rowsOf, type Tensor } from '../../gateway/tensors.ts';
import type { Message } from '../../red.ts';

/** One message that waits for its answer. */
export interface Job {
  readonly id: string;
  readonly message: Message;
  readonly inputs: readonly Tensor[];
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Size of its batch dimension. */
  readonly rows: number;
  /** Runs once. @param rows the outputs that are its own */
  end(error: Error | null, answer?: InferAnswer, rows?: readonly Tensor[]): void;
}

type Ask = (jobs: readonly Job[], inputs: readonly Tensor[], answered: Answered) => void;

interface Pending {
  readonly jobs: Job[];
  rows: number;
  readonly timer: NodeJS.Timeout;
}

/** Puts messages that may share a request together, up to a size and a waiting time. */
export class Batcher {
  readonly #waitMs: number;
  readonly #ask: Ask;
  readonly #pending = new Map<string, Pending>();

  constructor(waitMs: number, ask: Ask) {
    this.#waitMs = waitMs;
    this.#ask = ask;
  }

  /** @param most rows in a request; a job that has as many goes at once */
  add(job: Job, key: string, most: number): void {
    if (most <= job.rows) {
      this.#send([job]);
      return;
    }
    const open = this.#pending.get(key);
    if (open && open.rows + job.rows > most) this.#flush(key);
    const pending = this.#pending.get(key) ?? this.#begin(key);
    pending.jobs.push(job);
    pending.rows += job.rows;
    if (pending.rows >= most) this.#flush(key);
  }

  close(reason: Error): void {
    for (const { jobs, timer } of this.#pending.values()) {
      clearTimeout(timer);
      for (const job of jobs) job.end(reason);
    }
    this.#pending.clear();
  }

  #begin(key: string): Pending {
    const pending: Pending = { jobs: [], rows: 0, timer: setTimeout(() => this.#flush(key), this.#waitMs) };
    this.#pending.set(key, pending);
    return pending;
  }

  #flush(key: string): void {
    const pending = this.#pending.get(key);
    if (!pending) return;
    this.#pending.delete(key);
    clearTimeout(pending.timer);
    this.#send(pending.jobs);
  }

  #send(jobs: readonly Job[]): void {
    const total = jobs.reduce((sum, { rows }) => sum + rows, 0);
    const inputs = jobs.length === 1 ? jobs[0]!.inputs : joined(jobs.map((job) => job.inputs));
    this.#ask(jobs, inputs, (error, answer) => {
      let from = 0;
      for (const job of jobs) {
        if (error || !answer) job.end(error);
        else job.end(null, answer, rowsOf(answer.outputs, from, job.rows, total));
        from += job.rows;
      }
    });
  }
}
