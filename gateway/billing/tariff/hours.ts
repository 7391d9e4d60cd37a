import { z } from 'zod';

/** One, in the millionths that factors are written in. */
export const PPM = 1_000_000;

const clockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time such as 06:30');

const DAY_MINUTES = 24 * 60;

/** Factor by time of day. */
export interface Factor {
  readonly offsetMinutes: number;
  /** Millionths that a use which began at this time (ms since the epoch) is multiplied with. */
  at(time: number): number;
}

/**
 * `{utcOffsetMinutes: 60, factors: [{from: "22:00", to: "06:00", ppm: 500000}]}`: half price at night. The offset is
 * fixed, so that a receipt can be checked without the rules of a time zone. The first range that fits counts; `to` is
 * exclusive, and a range may go over midnight.
 */
export const factorSchema = z.strictObject({
  utcOffsetMinutes: z.number().int().min(-720).max(840).default(0),
  factors: z
    .array(
      z.strictObject({
        from: clockTime,
        to: clockTime,
        ppm: z
          .number()
          .int()
          .min(0)
          .max(100 * PPM),
      }),
    )
    .min(1)
    .max(24),
});

export type Hours = z.output<typeof factorSchema>;

/** Makes a factor of what a tariff file says. */
export function factorOf({ utcOffsetMinutes, factors }: Hours): Factor {
  const ranges = factors.map(({ from, to, ppm }) => ({ from: minutes(from), to: minutes(to), ppm }));
  return {
    offsetMinutes: utcOffsetMinutes,
    at(time) {
      const local = Math.floor(time / 60_000) + utcOffsetMinutes;
      const minute = ((local % DAY_MINUTES) + DAY_MINUTES) % DAY_MINUTES;
      const fits = ({ from, to }: { from: number; to: number }): boolean =>
        from < to ? minute >= from && minute < to : minute >= from || minute < to;
      return ranges.find(fits)?.ppm ?? PPM;
    },
  };
}

function minutes(text: string): number {
  const [hours, rest] = text.split(':');
  return Number(hours) * 60 + Number(rest);
}
