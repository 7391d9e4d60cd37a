import type { StreamConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import { describe } from './field.ts';
import { compilePath } from './path.ts';

/** Event time of one element of a payload, in ms since the epoch; undefined when the stream maps none. */
export interface CompiledTime {
  readonly read: (root: unknown) => unknown;
  /** The root member that holds the time, so that it is not taken for a field; undefined when it lies deeper. */
  readonly member: string | undefined;
  /** @throws GatewayError DECODE_TIME */
  parse(raw: unknown): number;
}

/** ECMA-262 §21.4.1.1: what a Date can hold. */
const MAX_TIME = 8.64e15;

export function compileTime(config: NonNullable<StreamConfig['time']>): CompiledTime {
  const { read, steps } = compilePath(config.path);
  const member = steps.length === 1 && typeof steps[0] === 'string' ? steps[0] : undefined;
  return { read, member, parse: parserOf(config.format, config.path) };
}

function parserOf(format: 'epoch-ms' | 'epoch-s' | 'iso8601', path: string): (raw: unknown) => number {
  const invalid = (raw: unknown): GatewayError =>
    new GatewayError(
      'DECODE_TIME',
      `no time at ${path}: ${raw === undefined ? 'it is missing' : describe(raw)}`,
      {
        received: describe(raw),
        expected: format,
      },
    );
  if (format === 'iso8601') {
    return (raw) => {
      const time = typeof raw === 'string' ? parseIso8601(raw) : undefined;
      if (time === undefined) throw invalid(raw);
      return time;
    };
  }
  return (raw) => {
    // csv and text carry numbers as text.
    const value = typeof raw === 'string' && DECIMAL.test(raw) ? Number(raw) : raw;
    if (typeof value !== 'number') throw invalid(raw);
    const time = format === 'epoch-ms' ? value : secondsToMs(value);
    if (!(Math.abs(time) <= MAX_TIME)) throw invalid(raw);
    return time;
  };
}

/**
 * A decimal number as JSON, CSV and plain text write it; no hexadecimal, no `NaN`. Each character matches in one way
 * only, so that no payload can make it slow.
 */
export const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Seconds to milliseconds, rounded to the microsecond: doubles cannot hold more of a present-day time. */
export const secondsToMs = (seconds: number): number => Math.round(seconds * 1e6) / 1e3;

const ISO8601 =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(?:([Zz])|([+-])(\d\d):?(\d\d)?)?)?$/;

/** An ISO 8601 / RFC 3339 calendar time, UTC when it names no offset; undefined when it is not one. */
export function parseIso8601(text: string): number | undefined {
  const match = ISO8601.exec(text);
  if (!match) return undefined;
  const [, y, mo, d, h = '0', mi = '0', s = '0', fraction = '', , sign, oh = '0', om = '0'] = match;
  const [year, month, day, hour, minute, second] = [+y!, +mo!, +d!, +h, +mi, +s];
  // RFC 3339 §5.7 allows a leap second, which the epoch folds into the next.
  if (hour > 23 || minute > 59 || second > 60 || +oh > 23 || +om > 59) return undefined;
  const midnight = Date.UTC(year, month - 1, day);
  const check = new Date(midnight);
  if (check.getUTCMonth() !== month - 1 || check.getUTCDate() !== day) return undefined;
  const offset = (+oh * 60 + +om) * (sign === '-' ? -60_000 : 60_000);
  const micros = fraction === '' ? 0 : Math.round(Number(`0.${fraction}`) * 1e6) / 1e3;
  return midnight + ((hour * 60 + minute) * 60 + second) * 1000 + micros - offset;
}
