import { GatewayError } from '../../errors.ts';
import { readyTariff, type Tariff, type TariffDocument } from './rate.ts';
import { tariffSchema } from './schema.ts';

export { QUANTITIES, type Quantities } from './quantities.ts';
export { amountOf, type Counted, rate, type Tariff } from './rate.ts';

/** 0.0001 AIMX per inference, for a gateway that was given no tariff. */
export const DEFAULT_TARIFF: Tariff = parseTariff({
  version: 1,
  name: 'default',
  prices: { inference: '100000000000000' },
});

/** Checks a parsed tariff file. Throws TARIFF_INVALID naming each fault. */
export function parseTariff(document: unknown): Tariff {
  const parsed = tariffSchema.safeParse(document);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || 'tariff'}: ${issue.message}`,
    );
    throw new GatewayError('TARIFF_INVALID', `The tariff is not valid: ${faults.join('; ')}.`);
  }
  return readyTariff(parsed.data as TariffDocument);
}
