/**
 * Amounts of one channel that are billed, and those set aside for requests under way. `billed + reserved` never passes a bound when something is set
 * aside, so requests that run at once cannot overrun it together.
 */
export class Reservations {
  /** Billed in all, and committed. */
  billed: bigint;
  #reserved = 0n;
  #open = 0;

  constructor(billed: bigint) {
    this.billed = billed;
  }

  get reserved(): bigint {
    return this.#reserved;
  }

  /** Requests under way. */
  get open(): number {
    return this.#open;
  }

  /** Sets `amount` aside if everything stays within `upTo`; undefined when it does not fit. */
  reserve(amount: bigint, upTo: bigint): Reservation | undefined {
    if (this.billed + this.#reserved + amount > upTo) return undefined;
    this.#reserved += amount;
    this.#open++;
    let held = true;
    return {
      amount,
      release: () => {
        if (!held) return;
        held = false;
        this.#reserved -= amount;
        this.#open--;
      },
    };
  }
}

export interface Reservation {
  readonly amount: bigint;
  /** Gives it back, once. */
  release(): void;
}
