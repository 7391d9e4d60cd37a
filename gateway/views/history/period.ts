import type { JournalStream } from '../../store/types.ts';

/** A part of a journal stream: records with `after < seq <= until`. */
export interface Span {
  readonly after: number;
  readonly until: number;
}

/** Event times may lie this far after arrivals: clocks of devices are not exact. */
const AHEAD_MS = 3_600_000;
/** And before them, where devices keep readings for a while; more where the oldest or newest readings show that they do. */
const BEHIND_MS = 3_600_000;

/**
 * Where the records of a period of event time lie. Arrivals never decrease along a stream, so their place is found in a
 * few reads; how far event times lag behind them is what the newest reading of each device and the oldest one kept show.
 */
export async function spanOf<T>(journal: JournalStream<T>, from: number, to: number): Promise<Span> {
  let lag = BEHIND_MS;
  for (const { lastTime, lastArrival } of journal.devices()) lag = Math.max(lag, lastArrival - lastTime);
  const [oldest] = journal.head < journal.tail ? [] : await journal.read(journal.tail - 1, 1);
  if (oldest) lag = Math.max(lag, oldest.arrival - oldest.time);
  return {
    after: await lastBefore(journal, from - AHEAD_MS),
    until: await lastBefore(journal, to + lag + 1),
  };
}

/** Seq of the last record that arrived before `time`; `tail - 1` when none is kept. */
async function lastBefore<T>(journal: JournalStream<T>, time: number): Promise<number> {
  let low = Math.max(0, journal.tail - 1);
  let high = journal.head;
  while (low < high) {
    const middle = low + Math.ceil((high - low) / 2);
    const [record] = await journal.read(middle - 1, 1);
    // Records that are damaged or gone are stepped over: the next one decides for them.
    if (record === undefined || record.arrival >= time) high = middle - 1;
    else low = Math.max(middle, Math.min(record.seq, high));
  }
  return low;
}
