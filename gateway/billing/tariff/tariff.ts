import { GatewayError } from '../../errors.ts';
import { readyTariff, type Tariff, type TariffDocument } from './rate.ts';
import { rateSchema, tariffSchema } from './schema.ts';
import { type RateSnapshot, signerOf } from './snapshot.ts';

export { QUANTITIES, type Quantities } from './quantities.ts';
export { amountOf, type Counted, rate, requireRate, type Tariff } from './rate.ts';

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
  const data = parsed.data as TariffDocument;
  if (data.rate) checkRate(data.currency, data.rate);
  return readyTariff(data);
}

/** A tariff in a currency with a rate put into it. Throws RATE_INVALID when the rate is not one for it. */
export function withRate(tariff: Tariff, rate: unknown): Tariff {
  const parsed = rateSchema.safeParse(rate);
  if (!parsed.success)
    throw new GatewayError('RATE_INVALID', `Not a rate: ${parsed.error.issues[0]?.message}.`, {
      received: parsed.error.issues[0]?.path.join('.'),
    });
  const document = JSON.parse(tariff.counting.json) as TariffDocument;
  checkRate(document.currency, parsed.data);
  return readyTariff({ ...document, rate: parsed.data });
}

function checkRate(currency: TariffDocument['currency'], rate: RateSnapshot): void {
  if (rate.currency !== currency?.code)
    throw new GatewayError('RATE_INVALID', 'The rate is of another currency than the tariff.', {
      received: rate.currency,
      expected: currency?.code ?? 'prices in AIMX need none',
    });
  const signer = signerOf(rate);
  if (signer !== currency.signer)
    throw new GatewayError('RATE_INVALID', 'The rate is not signed by whom the tariff names.', {
      received: signer ?? 'no signature',
      expected: currency.signer,
    });
}
