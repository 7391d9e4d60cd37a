import type { UpstreamRecord } from '../ports/sink.ts';
import type { JournalRecord, JournalStream } from '../store/types.ts';
import type { Documenter } from './documents.ts';
import { Gaps } from './gaps.ts';

/** A batch of one feed: the records as they go upstream, and their places. */
export interface Batch {
  readonly records: readonly UpstreamRecord[];
  readonly seqs: readonly number[];
  /** Arrival of the first and last record, ms since the epoch. */
  readonly firstArrival: number;
  readonly lastArrival: number;
}

/** About how much one batch may hold, whatever its number of records. */
const BATCH_BYTES = 1024 * 1024;

/** One stream on its way to one sink. Its place runs ahead of the stored cursor by what is being committed. */
export class Feed {
  readonly stream: string;
  readonly gaps = new Gaps();
  /** Everything up to here was delivered, refused or given up. */
  position = 0;
  /** Since when (wall clock) something has been waiting; undefined when nothing is. */
  waitingSince: number | undefined;
  readonly #journal: JournalStream<unknown>;
  readonly #document: Documenter<unknown>;

  constructor(journal: JournalStream<unknown>, document: Documenter<unknown>) {
    this.stream = journal.name;
    this.#journal = journal;
    this.#document = document;
  }

  get head(): number {
    return this.#journal.head;
  }

  /** Where the oldest record lies that can still be sent. */
  get start(): number {
    return Math.max(this.position, this.#journal.tail - 1);
  }

  get pending(): number {
    return this.gaps.pending(this.start, this.#journal.head);
  }

  /** Journal bytes of what is pending, from the average size of the stream's records. */
  get pendingBytes(): number {
    const { records, bytes } = this.#journal.stats();
    return records === 0 ? 0 : Math.ceil((this.pending * bytes) / records);
  }

  onCommit(listener: () => void): () => void {
    return this.#journal.onCommit(listener);
  }

  /** The next records in order; null when nothing readable lies before the next gap or the head. */
  async next(limit: number): Promise<Batch | null> {
    const end = this.gaps.limit(this.position, this.#journal.head);
    const found = await this.#journal.read(this.position, Math.min(limit, end - this.position));
    const records: UpstreamRecord[] = [];
    const seqs: number[] = [];
    let bytes = 0;
    let last: JournalRecord<unknown> | undefined;
    for (const record of found) {
      // Retention or damage may have taken records: the read then goes on behind them, perhaps beyond a gap.
      if (record.seq > end) break;
      const document = this.#document(record);
      bytes += document.body.length;
      if (bytes > BATCH_BYTES && records.length > 0) break;
      records.push(document);
      seqs.push(record.seq);
      last = record;
    }
    if (last === undefined) return null;
    return { records, seqs, firstArrival: found[0]!.arrival, lastArrival: last.arrival };
  }

  /** Goes on behind `seq`. Returns whether that is a move. */
  pass(seq: number): boolean {
    if (seq <= this.position) return false;
    this.position = seq;
    this.gaps.passed(seq);
    return true;
  }
}
