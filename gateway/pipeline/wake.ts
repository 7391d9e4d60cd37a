/** Lets one loop sleep until something happens. A ring while nobody sleeps is remembered. */
export class Wake {
  #rung = false;
  #resolve: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#resolve?.();
    this.#resolve = undefined;
  }

  /** Resolves at the next ring, at once when one was missed. */
  async sleep(): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
      });
    }
    this.#rung = false;
  }
}
