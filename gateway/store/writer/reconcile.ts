import { markDamaged, passed, reached, type StreamLedger, whole } from './ledger.ts';

export interface Span {
  readonly first: number;
  readonly last: number;
}

/**
 * Makes the counters of a salvaged stream agree with the segments that are there. Missing ranges become damage, so
 * that each consumer that had not reached them sees them as expired; the identity of the audit holds again.
 * @param spans the seqs of the segments, ascending
 * @returns how many records are newly known as lost
 */
export function reconcileLedger(
  ledger: StreamLedger,
  base: number,
  spans: readonly Span[],
  bytes: number,
  knownHead: number,
): number {
  const end = spans[spans.length - 1]?.last ?? base;
  const start = spans[0]?.first;
  const cursorHead = Math.max(0, ...ledger.cursors.map((cursor) => believable(cursor.seq)));
  const savedHead = ledger.head === base + ledger.accepted ? ledger.head : 0;
  const saidTail = ledger.tail;
  ledger.head = Math.max(end, savedHead, savedHead === 0 ? cursorHead : 0, knownHead, base);
  ledger.accepted = ledger.head - base;
  ledger.records = spans.reduce((sum, span) => sum + span.last - span.first + 1, 0);
  ledger.bytes = bytes;
  const firstKept = start ?? ledger.head + 1;
  const expectedTail = saidTail > base && saidTail <= firstKept ? saidTail : firstKept;
  const gaps = missingRanges(spans, expectedTail, ledger.head);
  ledger.tail = firstKept;
  for (const cursor of ledger.cursors) {
    cursor.seq = Math.min(cursor.seq, ledger.head);
    cursor.lostTo = Math.min(cursor.lostTo, ledger.head);
    cursor.dirty = true;
  }
  ledger.damage = ledger.damage.filter(
    (range) => range.first <= range.last && range.first >= expectedTail && range.last <= ledger.head,
  );
  let lost = 0;
  for (const gap of gaps) {
    // Damage that was known inside a segment is now part of the gap that the segment left.
    ledger.damage = ledger.damage.map((range) =>
      range.first >= gap.first && range.last <= gap.last ? { ...range, inSegment: false } : range,
    );
    for (const part of markDamaged(ledger, { ...gap, inSegment: false }, () => {})) {
      lost += part.last - part.first + 1;
    }
  }
  balance(ledger);
  return lost;
}

/** Where the counters contradict the segments, the segments are right. */
function balance(ledger: StreamLedger): void {
  const pending = whole(ledger, passed(ledger), ledger.head);
  ledger.expired = Math.min(ledger.expired, ledger.accepted - pending);
  ledger.forwarded = ledger.accepted - pending - ledger.expired;
  for (const cursor of ledger.cursors) {
    const ahead = whole(ledger, reached(cursor), ledger.head);
    cursor.expired = Math.min(cursor.expired, ledger.accepted - ahead);
    cursor.processed = ledger.accepted - ahead - cursor.expired;
  }
  const gone = ledger.damage.reduce((sum, one) => sum + (one.inSegment ? 0 : one.last - one.first + 1), 0);
  ledger.deleted = Math.max(0, ledger.accepted - ledger.records - gone);
}

function missingRanges(spans: readonly Span[], from: number, to: number): Span[] {
  const gaps: Span[] = [];
  let next = from;
  for (const span of spans) {
    if (span.first > next) gaps.push({ first: next, last: span.first - 1 });
    next = Math.max(next, span.last + 1);
  }
  if (next <= to) gaps.push({ first: next, last: to });
  return gaps;
}

function believable(seq: number): number {
  return Number.isSafeInteger(seq) && seq > 0 && seq < 2 ** 48 ? seq : 0;
}
