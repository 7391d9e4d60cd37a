import { readFileSync } from 'node:fs';
import { DEFAULT_TARIFF, parseTariff, type Tariff } from '../../billing/tariff/tariff.ts';
import type { Config } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';

/** The tariff of the configuration. Throws TARIFF_INVALID. */
export function tariffOf(config: Config): Tariff {
  const file = config.billing?.tariff;
  if (file === undefined) return DEFAULT_TARIFF;
  try {
    return parseTariff(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError('TARIFF_INVALID', `The tariff file ${file} cannot be read as JSON.`, { cause });
  }
}
