import type { DatabaseSync } from 'node:sqlite';
import type { DeviceRow } from '../protocol.ts';
import { readSegment } from '../segment-reader.ts';
import type { Journal } from './journal.ts';
import type { SegmentRow } from './rows.ts';
import { segmentTable } from './schema.ts';

/**
 * The device counters of all streams: the saved rows, brought up to date with the records that were journalled since
 * they were saved.
 */
export function loadDevices(db: DatabaseSync, journal: Journal): Map<number, DeviceRow[]> {
  const byStream = new Map<number, Map<string, DeviceRow>>();
  for (const row of db.prepare('SELECT * FROM device').all() as unknown as SavedRow[]) {
    mapOf(byStream, row.stream).set(row.device, {
      streamId: row.stream,
      device: row.device,
      count: row.count,
      lastSeq: row.last_seq,
      lastTime: row.last_time,
      lastArrival: row.last_arrival,
    });
  }
  for (const stream of journal.streams()) {
    if (!stream.created) continue;
    const rows = mapOf(byStream, stream.id);
    const newer = db.prepare(
      `SELECT first_seq, count, body FROM ${segmentTable(stream.id)}
        WHERE first_seq + count - 1 > ?1
          AND first_seq >= coalesce((SELECT max(first_seq) FROM ${segmentTable(stream.id)} WHERE first_seq <= ?1), 0)
        ORDER BY first_seq`,
    );
    for (const segment of newer.iterate(stream.devicesAsOf) as Iterable<SegmentRow>) {
      bringUpToDate(rows, stream.id, segment);
    }
  }
  return new Map([...byStream].map(([id, rows]) => [id, [...rows.values()]]));
}

function bringUpToDate(rows: Map<string, DeviceRow>, streamId: number, segment: SegmentRow): void {
  for (const record of readSegment(segment.body)?.records ?? []) {
    const known = rows.get(record.device);
    if (known !== undefined && known.count >= record.deviceSeq) continue;
    rows.set(record.device, {
      streamId,
      device: record.device,
      count: record.deviceSeq,
      lastSeq: segment.first_seq + record.ordinal,
      lastTime: record.time,
      lastArrival: record.arrival,
    });
  }
}

function mapOf(all: Map<number, Map<string, DeviceRow>>, id: number): Map<string, DeviceRow> {
  const known = all.get(id);
  if (known !== undefined) return known;
  const rows = new Map<string, DeviceRow>();
  all.set(id, rows);
  return rows;
}

interface SavedRow {
  readonly stream: number;
  readonly device: string;
  readonly count: number;
  readonly last_seq: number;
  readonly last_time: number;
  readonly last_arrival: number;
}
