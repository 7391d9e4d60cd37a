/** Times and values of one series, as long as each other. */
export interface Points {
  readonly times: readonly number[];
  readonly values: readonly number[];
}

/** Points kept of each bucket: a line through them covers the same pixels as one through all. */
const OF_BUCKET = 4;

/**
 * At most `most` of the points: of each of evenly long buckets of time the first, the least, the greatest and the last,
 * as they were. Times must ascend.
 */
export function thin({ times, values }: Points, most: number): Points {
  const { length } = times;
  if (length <= most) return { times, values };
  const buckets = Math.max(1, Math.floor(most / OF_BUCKET));
  const start = times[0]!;
  const width = (times[length - 1]! - start) / buckets || 1;
  const kept: number[] = [];
  for (let first = 0; first < length; ) {
    const bucket = Math.min(buckets - 1, Math.floor((times[first]! - start) / width));
    let least = first;
    let greatest = first;
    let last = first;
    for (let i = first + 1; i < length; i++) {
      if (Math.min(buckets - 1, Math.floor((times[i]! - start) / width)) !== bucket) break;
      if (values[i]! < values[least]!) least = i;
      if (values[i]! > values[greatest]!) greatest = i;
      last = i;
    }
    kept.push(...new Set([first, Math.min(least, greatest), Math.max(least, greatest), last]));
    first = last + 1;
  }
  return { times: kept.map((i) => times[i]!), values: kept.map((i) => values[i]!) };
}

/** The points in the order of their times; of equal times the earlier one first. */
export function inOrder({ times, values }: Points): Points {
  let sorted = true;
  for (let i = 1; sorted && i < times.length; i++) sorted = times[i]! >= times[i - 1]!;
  if (sorted) return { times, values };
  const order = times.map((_, i) => i).sort((a, b) => times[a]! - times[b]!);
  return { times: order.map((i) => times[i]!), values: order.map((i) => values[i]!) };
}
