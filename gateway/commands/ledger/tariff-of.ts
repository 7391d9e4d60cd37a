import { readRate, readTariff } from '../../billing/tariff/live.ts';
import type { Tariff } from '../../billing/tariff/tariff.ts';
import type { Config } from '../../config/schema.ts';

/** The tariff of the configuration, with its rate where prices are in a currency. Throws TARIFF_INVALID, RATE_INVALID. */
export function tariffOf({ billing }: Config): Tariff {
  const tariff = readTariff(billing?.tariff);
  return tariff.currency !== undefined && billing?.rate !== undefined
    ? readRate(tariff, billing.rate)
    : tariff;
}
