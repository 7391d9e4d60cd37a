import { z } from 'zod';

const BYTE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text);
  const factor = match ? units[match[2]!] : undefined;
  return match && factor !== undefined ? Math.round(Number(match[1]) * factor) : undefined;
}

/** Bytes of `256MiB`, `1.5GB`; undefined when it is not a size. */
export const parseBytes = (text: string): number | undefined => parse(text, BYTE_UNITS);

/** Milliseconds of `250ms`, `10s`, `5m`, `24h`, `30d`; undefined when it is not a duration. */
export const parseDuration = (text: string): number | undefined => parse(text, DURATION_UNITS);

/** A size in configuration: `256MiB` or a whole number of bytes. */
export const bytes = unit(parseBytes, 'a size such as 64KiB, 256MiB or 1GiB');

/** A duration in configuration: `10s`, or a whole number of milliseconds. */
export const duration = unit(parseDuration, 'a duration such as 250ms, 10s, 5m, 24h or 30d');

function unit(read: (text: string) => number | undefined, expected: string) {
  return z.union([z.string(), z.number().int().min(0)]).transform((value, context): number => {
    const number = typeof value === 'number' ? value : read(value);
    if (number !== undefined) return number;
    context.addIssue({ code: 'custom', message: `expected ${expected}`, input: value });
    return z.NEVER;
  });
}

/** `60s`, `90m`, `30d`: the largest unit in which it is whole, except that one minute stays `60s`. */
export function durationText(ms: number): string {
  if (ms === 60_000) return '60s';
  for (const [unit, size] of Object.entries({ d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 })) {
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

/** `256MiB`: the largest binary unit, with at most one decimal. */
export function bytesText(bytes: number): string {
  const units = ['GiB', 'MiB', 'KiB'];
  for (const [index, unit] of units.entries()) {
    const size = 1024 ** (3 - index);
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))}${unit}`;
  }
  return `${bytes}B`;
}
