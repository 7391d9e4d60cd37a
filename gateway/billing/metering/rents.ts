import type { Clock } from '../../ports/clock.ts';
import type { Meter, Usage } from '../../ports/meter.ts';
import type { BillingStore } from '../posting/poster.ts';

/** A share of the accelerator that is kept for an account. */
export interface Rent {
  readonly account: string;
  /** Of the accelerator, in percent. */
  readonly share: number;
}

const SLOT_MS = 60_000;
const SLOT_SECONDS = BigInt(SLOT_MS / 1000);
const PERCENT = 100n;

/** What is rented is no model's work; a receipt names it like one. */
const RESOURCE: Usage['model'] = { name: 'resource', version: 'rent', sha256: '00'.repeat(32) };

/**
 * Seconds of the whole accelerator that a share makes in the minute with this number (since the epoch). Whole: minutes take
 * turns with the fraction, so that any number of minutes is off by less than one second.
 */
export function rentedSeconds(slot: number, share: number): number {
  const upTo = (n: bigint): bigint => (n * SLOT_SECONDS * BigInt(share)) / PERCENT;
  return Number(upTo(BigInt(slot) + 1n) - upTo(BigInt(slot)));
}

/**
 * Bills rents: one use a minute and account, `rent_s` seconds. Its id is that of the minute, so that a minute is billed once whatever
 * happens; minutes in which the gateway did not run are not billed.
 */
export class RentMeter {
  readonly #rents: readonly Rent[];
  readonly #parts: { readonly store: BillingStore; readonly meter: Meter; readonly clock: Clock };
  #cancel: (() => void) | undefined;
  #under: Promise<void> = Promise.resolve();

  constructor(rents: readonly Rent[], parts: { store: BillingStore; meter: Meter; clock: Clock }) {
    this.#rents = rents;
    this.#parts = parts;
  }

  /** @param failed told why a minute could not be stored; the next one is tried all the same */
  start(failed: (error: unknown) => void): void {
    if (this.#rents.length === 0) return;
    const { clock } = this.#parts;
    const next = (): void => {
      this.#cancel = clock.after(SLOT_MS - (clock.now() % SLOT_MS), () => {
        this.#under = this.bill(Math.floor(clock.now() / SLOT_MS) - 1).catch(failed);
        next();
      });
    };
    next();
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    await this.#under;
  }

  /** Bills the minute with this number. */
  async bill(slot: number): Promise<void> {
    const uses = this.#rents.flatMap(({ account, share }): Usage[] => {
      const rentS = rentedSeconds(slot, share);
      if (rentS === 0) return [];
      const text = JSON.stringify({ account, share, minute: slot });
      return [
        {
          ...{ requestId: `rent/${account}/${slot}`, account, model: RESOURCE, startedAt: slot * SLOT_MS },
          ...{ computeUs: 0, bytesIn: 0, bytesOut: 0, request: text, answer: '', rentS },
        },
      ];
    });
    // One by one: rents of one commit must not share a receipt with each other or with inferences.
    for (const use of uses) await this.#parts.store.commit({ ops: this.#parts.meter.charge([use]) });
  }
}
