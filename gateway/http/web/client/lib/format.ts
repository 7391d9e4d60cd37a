import { locale } from './i18n.ts';

/** Numbers, times and amounts as people of the chosen language read them. */

export const number = (value: number, digits = 1): string =>
  value.toLocaleString(locale(), { maximumFractionDigits: digits });

/** Large counts in a few characters: 12.4K. */
export const compact = (value: number): string =>
  value < 10_000
    ? number(value, value < 100 ? 1 : 0)
    : value.toLocaleString(locale(), { notation: 'compact', maximumFractionDigits: 1 });

/** A measured value with about four digits. */
export function measure(value: number): string {
  const size = Math.abs(value);
  if (size >= 10_000) return number(value, 0);
  if (size >= 100) return number(value, 1);
  if (size >= 1 || value === 0) return number(value, 2);
  return size < 0.0005 ? (size < 1e-12 ? '0' : value.toExponential(1)) : number(value, 3);
}

export const percent = (share: number, digits = 0): string =>
  share.toLocaleString(locale(), { style: 'percent', maximumFractionDigits: digits });

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let rest = value;
  let i = 0;
  for (; rest >= 1024 && i < units.length - 1; i++) rest /= 1024;
  return `${number(rest, rest < 10 ? 1 : 0)} ${units[i]}`;
}

export function milliseconds(ms: number): string {
  if (ms >= 10_000) return `${number(ms / 1000, 0)} s`;
  if (ms >= 1000) return `${number(ms / 1000, 1)} s`;
  return ms >= 10 ? `${number(ms, 0)} ms` : `${number(ms, ms < 1 ? 2 : 1)} ms`;
}

export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return unit(seconds, 'second');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return unit(minutes, 'minute');
  return minutes < 2880 ? unit(Math.floor(minutes / 60), 'hour') : unit(Math.floor(minutes / 1440), 'day');
}

const unit = (value: number, name: string): string =>
  value.toLocaleString(locale(), { style: 'unit', unit: name, unitDisplay: 'short' });

export const clockTime = (ms: number): string =>
  new Date(ms).toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit', second: '2-digit' });

export const dateTime = (ms: number): string =>
  new Date(ms).toLocaleString(locale(), { dateStyle: 'medium', timeStyle: 'medium' });

/** How long ago, in words: "3 min ago". */
export function ago(ms: number, now: number): string {
  const seconds = Math.round((ms - now) / 1000);
  const size = Math.abs(seconds);
  const words = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto', style: 'narrow' });
  if (size < 60) return words.format(seconds, 'second');
  if (size < 5400) return words.format(Math.round(seconds / 60), 'minute');
  if (size < 129_600) return words.format(Math.round(seconds / 3600), 'hour');
  return words.format(Math.round(seconds / 86_400), 'day');
}

/** An amount in the smallest unit as tokens, exactly. */
export function units(text: string, decimals = 18): string {
  const digits = text.padStart(decimals + 1, '0');
  const fraction = decimals === 0 ? '' : digits.slice(-decimals).replace(/0+$/, '');
  const whole = (decimals === 0 ? digits : digits.slice(0, -decimals)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return fraction === '' ? whole : `${whole}.${fraction}`;
}

/** The same for a glance: six digits behind the point at most. */
export function tokens(text: string, decimals = 18): string {
  const [whole, fraction = ''] = units(text, decimals).split('.');
  const short = fraction.slice(0, 6).replace(/0+$/, '');
  return short === '' ? whole! : `${whole}.${short}`;
}

/** SenML unit codes that people write otherwise. */
const UNITS: Readonly<Record<string, string>> = { Cel: '°C', '%RH': '% RH', 'm/s2': 'm/s²', lx: 'lx' };
export const unitText = (code: string | null | undefined): string => (code ? (UNITS[code] ?? code) : '');

export const shortHash = (hash: string): string =>
  hash.length > 20 ? `${hash.slice(0, 10)}…${hash.slice(-6)}` : hash;
