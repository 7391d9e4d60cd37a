/** Runs a task again and again, one at a time, until it is stopped. */
export class Poll {
  readonly #everyMs: number;
  readonly #task: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @param task rejects never */
  constructor(everyMs: number, task: () => Promise<void>) {
    this.#everyMs = everyMs;
    this.#task = task;
    this.#run();
  }

  #run(): void {
    void this.#task().then(() => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.#run(), this.#everyMs);
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
