import { readFileSync, statSync } from 'node:fs';
import { asGatewayError, GatewayError } from '../../errors.ts';
import type { Alarms } from '../../ports/alarms.ts';
import type { Clock } from '../../ports/clock.ts';
import { DEFAULT_TARIFF, parseTariff, type Tariff, withRate } from './tariff.ts';

export interface LiveTariff extends Tariff {
  /** Reads the rate anew where its file has changed, and says when none is valid. Keeps the last rate when it cannot. */
  refresh(): void;
}

const ALARM = 'tariff-rate';

/** The tariff of a file; the built-in one without a file. Throws TARIFF_INVALID. */
export function readTariff(file: string | undefined): Tariff {
  if (file === undefined) return DEFAULT_TARIFF;
  return parseTariff(readJson(file, 'TARIFF_INVALID'));
}

/** A tariff with the rate of a file. Throws RATE_INVALID. */
export const readRate = (tariff: Tariff, file: string): Tariff =>
  withRate(tariff, readJson(file, 'RATE_INVALID'));

function readJson(file: string, code: 'TARIFF_INVALID' | 'RATE_INVALID'): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new GatewayError(code, `${file} cannot be read as JSON.`, { cause });
  }
}

/**
 * A tariff whose rate may change while it is used: each look at it is a look at the tariff with the rate that held at the last
 * {@link LiveTariff.refresh}. Throws TARIFF_INVALID; a rate that is missing or wrong is an alarm, and prices in a currency
 * then end in RATE_EXPIRED where somebody pays.
 */
export function liveTariff(
  files: { readonly tariff: string | undefined; readonly rate: string | undefined },
  clock: Clock,
  alarms: Alarms,
): LiveTariff {
  let present = readTariff(files.tariff);
  let readAt: number | undefined;
  let problem: string | undefined;

  const reread = (file: string): void => {
    try {
      const changedAt = statSync(file).mtimeMs;
      if (changedAt === readAt) return;
      present = readRate(present, file);
      [readAt, problem] = [changedAt, undefined];
    } catch (error) {
      problem = asGatewayError(error).message;
    }
  };
  const refresh = (): void => {
    if (present.currency === undefined) return;
    if (files.rate === undefined) problem = 'billing.rate names no file';
    else reread(files.rate);
    const { exchange, currency } = present;
    const valid = exchange !== undefined && clock.now() <= exchange.validUntil;
    if (valid && problem === undefined) {
      alarms.clear(ALARM);
      return;
    }
    alarms.raise({
      kind: ALARM,
      severity: valid ? 'warning' : 'critical',
      message: `Prices are in ${currency} and ${valid ? 'the next rate cannot be read' : 'no rate to AIMX is valid, so nobody is served who pays'}${problem ? `: ${problem}` : '.'}`,
      fix: 'Put a newer signed rate into the file that billing.rate names: `aimx-gateway ledger rate`.',
    });
  };
  refresh();
  return {
    refresh,
    get json() {
      return present.json;
    },
    get hash() {
      return present.hash;
    },
    get exchange() {
      return present.exchange;
    },
    // What a rate does not change.
    counting: present.counting,
    currency: present.currency,
    fixed: present.fixed,
    prices: present.prices,
    stateful: present.stateful,
    minimum: present.minimum,
    period: present.period,
    hours: present.hours,
  };
}
