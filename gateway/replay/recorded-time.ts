import { DECIMAL, parseIso8601 } from '../ingest/fields/time.ts';

/** Numbers below this are seconds (up to the year 5138), others milliseconds (from 1973). */
const MS_FROM = 1e11;

/**
 * The time of a recorded row in ms since the epoch: ISO 8601, `YYYY-MM-DD HH:MM:SS` (UTC), or seconds or milliseconds
 * since the epoch. Undefined when it is none of them.
 */
export function parseRecordedTime(text: string): number | undefined {
  const trimmed = text.trim();
  if (!DECIMAL.test(trimmed)) return parseIso8601(trimmed);
  const number = Number(trimmed);
  return Math.abs(number) < MS_FROM ? Math.round(number * 1e6) / 1e3 : number;
}
