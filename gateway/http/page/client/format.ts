/** Numbers, times and amounts as people read them. */

export const number = (value: number, digits = 1): string =>
  value.toLocaleString(undefined, { maximumFractionDigits: digits });

/** A measured value with about four digits. */
export function measure(value: number): string {
  const size = Math.abs(value);
  if (size >= 10_000) return number(value, 0);
  if (size >= 100) return number(value, 1);
  if (size >= 1 || value === 0) return number(value, 2);
  return size < 0.0005 ? (size < 1e-12 ? '0' : value.toExponential(1)) : number(value, 3);
}

export const perSecond = (rates: readonly number[] | undefined): string =>
  rates && rates.length > 0 ? `${number(rates.at(-1)!)}/s` : '–';

export const clockTime = (ms: number | null | undefined): string =>
  ms ? new Date(ms).toLocaleTimeString() : '–';

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let i = 0;
  for (; value >= 1024 && i < units.length - 1; i++) value /= 1024;
  return `${number(value)} ${units[i]}`;
}

export function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.max(0, Math.floor(ms / 1000))} s`;
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

/** An amount in the smallest unit as tokens, exactly. */
export function amount(text: string, decimals: number): string {
  const digits = text.padStart(decimals + 1, '0');
  const fraction = decimals === 0 ? '' : digits.slice(-decimals).replace(/0+$/, '');
  const whole = decimals === 0 ? digits : digits.slice(0, -decimals);
  return fraction === '' ? whole : `${whole}.${fraction}`;
}

/** SenML unit codes that people write otherwise. */
const UNITS: Readonly<Record<string, string>> = { Cel: '°C', '%RH': '% RH', 'm/s2': 'm/s²', lx: 'lx' };
export const unitText = (unit: string | null): string => (unit === null ? '' : (UNITS[unit] ?? unit));
