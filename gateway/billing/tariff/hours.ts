/** One, in the millionths that factors are written in. */
export const PPM = 1_000_000;

const DAY_MINUTES = 24 * 60;

/** Factor by time of day. */
export interface Factor {
  readonly offsetMinutes: number;
  /** Millionths that a use which began at this time (ms since the epoch) is multiplied with. */
  at(time: number): number;
}

/** What a tariff file says of the times of day. */
export interface Hours {
  readonly utcOffsetMinutes: number;
  readonly factors: readonly { readonly from: string; readonly to: string; readonly ppm: number }[];
}

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
