/**
 * The accounting of one stream as plain arithmetic: how far each consumer is, what was passed, what was given up.
 * Sequence numbers run without gaps, so a range of them is a number of records, less those known as damaged.
 */

export interface CursorState {
  readonly consumer: string;
  /** Where the consumer itself says it is. */
  seq: number;
  /** Records up to here were deleted, whether the consumer had seen them or not. */
  lostTo: number;
  processed: number;
  expired: number;
  dirty: boolean;
}

export interface DamageRange {
  readonly first: number;
  readonly last: number;
  /** Whether the records are counted in a segment that is still there. */
  readonly inSegment: boolean;
}

export interface StreamLedger {
  head: number;
  tail: number;
  records: number;
  bytes: number;
  accepted: number;
  forwarded: number;
  expired: number;
  /** Records that retention removed, passed or not. */
  deleted: number;
  lastArrival: number;
  devicesAsOf: number;
  cursors: CursorState[];
  /** Ascending, without overlap. */
  damage: DamageRange[];
}

/** The seq a consumer has put behind itself, by passing or by losing it. */
export function reached(cursor: CursorState): number {
  return Math.max(cursor.seq, cursor.lostTo);
}

/** Everything up to here is passed (or lost) for every consumer; without consumers that is all. */
export function passed(ledger: StreamLedger): number {
  let lowest = ledger.head;
  for (const cursor of ledger.cursors) lowest = Math.min(lowest, reached(cursor));
  return lowest;
}

/** Records in (from, to] that are not known as damaged. */
export function whole(ledger: StreamLedger, from: number, to: number): number {
  if (to <= from) return 0;
  return to - from - damagedIn(ledger, from, to, false);
}

/** Damaged records in (from, to]; with `keptOnly`, just those counted in segments that are still there. */
export function damagedIn(ledger: StreamLedger, from: number, to: number, keptOnly: boolean): number {
  let sum = 0;
  for (const range of ledger.damage) {
    if (keptOnly && !range.inSegment) continue;
    const overlap = Math.min(range.last, to) - Math.max(range.first - 1, from);
    if (overlap > 0) sum += overlap;
  }
  return sum;
}

export function countAppend(ledger: StreamLedger, count: number, bytes: number, lastArrival: number): void {
  ledger.head += count;
  ledger.records += count;
  ledger.accepted += count;
  ledger.bytes += bytes;
  ledger.lastArrival = lastArrival;
  if (ledger.cursors.length === 0) ledger.forwarded += count;
}

/** Moves a cursor on. Moving it back, or past the head, is the caller's mistake to refuse before. */
export function moveCursor(ledger: StreamLedger, cursor: CursorState, seq: number): void {
  const before = passed(ledger);
  cursor.processed += whole(ledger, reached(cursor), seq);
  cursor.seq = seq;
  cursor.dirty = true;
  ledger.forwarded += whole(ledger, before, passed(ledger));
}

/** Moves a cursor over records that its consumer gives up. Those that no other consumer still needs are expired. */
export function skipCursor(
  ledger: StreamLedger,
  cursor: CursorState,
  seq: number,
  onExpired: (consumer: string, count: number) => void,
): void {
  const before = passed(ledger);
  const lost = whole(ledger, reached(cursor), seq);
  cursor.expired += lost;
  cursor.seq = seq;
  cursor.dirty = true;
  ledger.expired += whole(ledger, before, passed(ledger));
  if (lost > 0) onExpired(cursor.consumer, lost);
}

/**
 * A new consumer begins at `seq`. What lies before it is none of its business and counts as processed, so that
 * `processed + pending + expired` is everything the stream ever took.
 */
export function addCursor(ledger: StreamLedger, consumer: string, seq: number): CursorState {
  const before = passed(ledger);
  const start = Math.max(seq, ledger.tail - 1);
  const cursor: CursorState = {
    consumer,
    seq: start,
    lostTo: 0,
    processed: ledger.accepted - whole(ledger, start, ledger.head),
    expired: 0,
    dirty: true,
  };
  ledger.cursors.push(cursor);
  ledger.forwarded -= whole(ledger, passed(ledger), before);
  return cursor;
}

export function removeCursor(ledger: StreamLedger, cursor: CursorState): void {
  const before = passed(ledger);
  ledger.cursors.splice(ledger.cursors.indexOf(cursor), 1);
  ledger.forwarded += whole(ledger, before, passed(ledger));
}

/** The records up to `last` are deleted; those some consumer had not reached are counted as expired. */
export function expireTo(
  ledger: StreamLedger,
  last: number,
  onExpired: (consumer: string, count: number) => void,
): void {
  const before = passed(ledger);
  for (const cursor of ledger.cursors) {
    const from = reached(cursor);
    if (from >= last) continue;
    const lost = whole(ledger, from, last);
    cursor.expired += lost;
    cursor.lostTo = last;
    cursor.dirty = true;
    onExpired(cursor.consumer, lost);
  }
  if (before < last) ledger.expired += whole(ledger, before, last);
}

/** Records [first, last] turned out to be unreadable; for consumers that had not reached them they are expired. */
export function markDamaged(
  ledger: StreamLedger,
  range: DamageRange,
  onExpired: (consumer: string, count: number) => void,
): DamageRange[] {
  const added: DamageRange[] = [];
  for (const { first, last } of unknownParts(ledger, range)) {
    for (const cursor of ledger.cursors) {
      const lost = last - Math.max(reached(cursor), first - 1);
      if (lost <= 0) continue;
      cursor.expired += lost;
      cursor.dirty = true;
      onExpired(cursor.consumer, lost);
    }
    const lost = last - Math.max(passed(ledger), first - 1);
    if (lost > 0) ledger.expired += lost;
    const part = { first, last, inSegment: range.inSegment };
    ledger.damage.push(part);
    added.push(part);
  }
  ledger.damage.sort((a, b) => a.first - b.first);
  return added;
}

function unknownParts(ledger: StreamLedger, range: DamageRange): { first: number; last: number }[] {
  const parts: { first: number; last: number }[] = [];
  let first = range.first;
  for (const known of ledger.damage) {
    if (known.last < first || known.first > range.last) continue;
    if (known.first > first) parts.push({ first, last: known.first - 1 });
    first = Math.max(first, known.last + 1);
  }
  if (first <= range.last) parts.push({ first, last: range.last });
  return parts;
}
