import { type Quantities, rate, requireRate, type Tariff } from '../tariff/tariff.ts';
import type { ChannelAccount } from './account.ts';

/** What a model took at most of late. */
interface Taken {
  computeUs: number;
  bytesOut: number;
}

/** Before a model has answered anything. */
const FIRST: Taken = { computeUs: 100_000, bytesOut: 4096 };
/** How much more than the most so far is set aside. */
const MARGIN = 1.5;
/** With each use that takes less, the most so far is believed a little less. */
const FADE = 0.99;
const MAX_MODELS = 1024;

/**
 * What a request will cost at most, as far as that can be known before: exact where a tariff charges by inference and by bytes in, else by what
 * the model took before. The amount billed is always that of the tariff; what does not fit then is not billed and not answered.
 */
export class Estimates {
  readonly #models = new Map<string, Taken>();

  amount(tariff: Tariff, account: ChannelAccount, model: string, bytesIn: number, now: number): bigint {
    const { computeUs, bytesOut } = this.#models.get(model) ?? FIRST;
    const used: Quantities = {
      ...{ inference: 1, byte_in: bytesIn },
      ...{ compute_us: Math.ceil(computeUs * MARGIN), byte_out: Math.ceil(bytesOut * MARGIN) },
    };
    requireRate(tariff, now);
    return rate(tariff, account.counted, used, now).amount;
  }

  note(model: string, computeUs: number, bytesOut: number): void {
    const known = this.#models.get(model);
    if (!known && this.#models.size >= MAX_MODELS) this.#models.clear();
    this.#models.set(model, {
      computeUs: Math.max(computeUs, (known?.computeUs ?? 0) * FADE),
      bytesOut: Math.max(bytesOut, (known?.bytesOut ?? 0) * FADE),
    });
  }
}
