import type { ErrorCode } from '../errors.ts';
import type { UpstreamRecord } from '../ports/sink.ts';
import type { NewRecord } from '../store/types.ts';

/** Longest body kept of one record. */
const MAX_BODY = 64 * 1024;

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
