import type { StreamFigures } from '../protocol.ts';
import type { CursorPosition } from '../types.ts';
import { reached } from './ledger.ts';
import type { StreamState } from './rows.ts';

/** A stream as the main thread sees it. */
export function figures(stream: Readonly<StreamState>): StreamFigures {
  const { id, head, tail, records, bytes, terms } = stream;
  const full = terms?.whenFull === 'reject-new' && bytes > terms.maxBytes;
  return { id, head, tail, records, bytes, full };
}

/** All cursors with their places, as the main thread sees them. */
export function cursorsOf(
  streams: Iterable<Readonly<StreamState>>,
): (CursorPosition & { expired: number })[] {
  return [...streams].flatMap((stream) =>
    stream.cursors.map((cursor) => ({
      consumer: cursor.consumer,
      stream: stream.name,
      seq: reached(cursor),
      expired: cursor.expired,
    })),
  );
}
