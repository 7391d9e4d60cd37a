import type { LiveChannel } from '../../http/index.ts';
import type { ReadingValue } from '../../ports/reading.ts';
import type { JournalStream } from '../../store/types.ts';
import { thin } from '../history/thin.ts';

/** Readings looked at, series and points told of one quarter second. */
const MAX_READINGS = 500;
const MAX_SERIES = 32;
const MAX_POINTS = 40;

/** New readings of a stream, thinned to what a screen shows. Arrays are left out: ask for the newest one. */
export function readingsChannel(
  stream: string,
  journal: JournalStream<ReadingValue>,
  device: string | undefined,
): LiveChannel {
  let seq = journal.head;
  return {
    async collect() {
      const { head } = journal;
      if (head <= seq) return [];
      const count = head - seq;
      const after = Math.max(seq, head - MAX_READINGS);
      seq = head;
      const series = new Map<string, { device: string; field: string; times: number[]; values: number[] }>();
      let read = 0;
      for (const record of await journal.read(after, head - after)) {
        read++;
        if (device !== undefined && record.device !== device) continue;
        const { fields, values } = record.value;
        for (let i = 0; i < fields.length; i++) {
          const value = typeof values[i] === 'boolean' ? Number(values[i]) : values[i];
          if (typeof value !== 'number' || !Number.isFinite(value)) continue;
          const key = `${record.device}\n${fields[i]}`;
          let one = series.get(key);
          if (one === undefined) {
            if (series.size >= MAX_SERIES) continue;
            one = { device: record.device, field: fields[i]!, times: [], values: [] };
            series.set(key, one);
          }
          one.times.push(record.time);
          one.values.push(value);
        }
      }
      if (series.size === 0) return [];
      const shown = [...series.values()].map((one) => ({ ...one, ...thin(one, MAX_POINTS) }));
      return [{ name: 'readings', data: { stream, series: shown, count, dropped: count - read } }];
    },
    close() {},
  };
}
