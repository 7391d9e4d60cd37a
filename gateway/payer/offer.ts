import { z } from 'zod';
import { parseTariff, type Tariff } from '../billing/tariff/tariff.ts';
import { GatewayError } from '../errors.ts';

/** What a gateway says it is paid for, and how: enough to open a channel with it. */
export interface Offer {
  readonly tariff: Tariff;
  readonly chainId: number;
  readonly ledger: string;
  readonly token: string;
  readonly provider: string;
  readonly device: string;
}

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/);
const parts = z.looseObject({
  chainId: z.coerce.number().int().min(1),
  ledger: address,
  token: address,
  provider: address,
  device: address,
});

/**
 * Reads `GET /api/v1/tariff`; what `known` says goes before what the gateway says. Throws PAYER_GATEWAY naming what is
 * missing.
 */
export function readOffer(document: unknown, known: Partial<Omit<Offer, 'tariff'>>): Offer {
  const given = (typeof document === 'object' && document !== null ? document : {}) as Record<
    string,
    unknown
  >;
  const channel = typeof given.channel === 'object' && given.channel !== null ? given.channel : {};
  const stated = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
  const parsed = parts.safeParse({ ...given, ...channel, ...stated });
  if (!parsed.success)
    throw new GatewayError('PAYER_GATEWAY', 'The gateway does not say whom and how to pay.', {
      received: parsed.error.issues.map((issue) => issue.path.join('.')),
      fix: 'Its owner must set billing.provider and billing.chain; or name what is missing as options.',
    });
  const { chainId, ledger, token, provider, device } = parsed.data;
  const lower = (text: string): string => text.toLowerCase();
  return {
    tariff: parseTariff(typeof given.tariff === 'string' ? JSON.parse(given.tariff) : given.tariff),
    ...{ chainId, ledger: lower(ledger), token: lower(token) },
    ...{ provider: lower(provider), device: lower(device) },
  };
}
