import type { ErrorCode } from '../errors.ts';
import type { UpstreamRecord } from '../ports/sink.ts';
import { textCodec } from '../store/codecs.ts';
import type { NewRecord, Store } from '../store/types.ts';

const DAY_MS = 86_400_000;
/** Longest body kept of one record. */
const MAX_BODY = 64 * 1024;

/** Stream of the records that a receiver refused for good, with the reason. */
export const parkedName = (sink: string): string => `$rejected/upstream-${sink}`;

export function openParked(store: Store, sink: string): void {
  store.stream(parkedName(sink), {
    codec: textCodec,
    maxBytes: 16 * 1024 * 1024,
    maxAgeMs: 30 * DAY_MS,
    whenFull: 'drop-oldest',
    maxDevices: 8,
    internal: true,
  });
}

/** A refused record as it is kept. All share one device, so that no table grows with refusals. */
export function parkedRecord(
  sink: string,
  record: UpstreamRecord,
  reason: string,
  now: number,
): NewRecord<string> {
  const { id, kind, source, device, time, body } = record;
  const document = {
    code: 'UPSTREAM_REFUSED' satisfies ErrorCode,
    message: reason,
    sink,
    time: now,
    record: { id, kind, source, device, time, body: body.slice(0, MAX_BODY).toWellFormed() },
    truncated: body.length > MAX_BODY,
  };
  return { device: sink, time: now, flags: 0, value: JSON.stringify(document) };
}
