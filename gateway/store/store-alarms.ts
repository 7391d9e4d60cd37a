import type { Alarms } from '../ports/alarms.ts';
import type { ExpiredCount, RebuildNotice } from './protocol.ts';

/** How long after the last loss the alarm about it stays. */
const EXPIRED_FOR_MS = 10 * 60_000;

/** The alarms of the store, in one place: `store-full`, `store-corrupt`, `store-damaged`, `journal-full`, `journal-expired`. */
export class StoreAlarms {
  readonly #alarms: Alarms;
  readonly #full = new Set<string>();
  #expiredAt: number | undefined;

  constructor(alarms: Alarms) {
    this.#alarms = alarms;
  }

  diskFull(reason: string): void {
    this.#alarms.raise({
      kind: 'store-full',
      severity: 'critical',
      message: `store: the disk is full (${reason}); streams with reject-new refuse readings, others give up their oldest`,
      fix: 'Free space on the disk of the data folder; the gateway goes on by itself.',
    });
  }

  diskFree(): void {
    this.#alarms.clear('store-full');
  }

  rebuilt(notice: RebuildNotice): void {
    const { reason, quarantine, lostRecords, startedOver } = notice;
    this.#alarms.raise({
      kind: 'store-corrupt',
      severity: 'critical',
      message: startedOver
        ? `store: the database could not be read (${reason}); a new one was begun`
        : `store: the database was damaged (${reason}) and rebuilt without ${lostRecords} records`,
      fix: 'Check the disk. The damaged files are kept in the quarantine folder named in the detail.',
      detail: { quarantine, lostRecords },
    });
  }

  damaged(stream: string, firstSeq: number, records: number): void {
    this.#alarms.raise({
      kind: 'store-damaged',
      severity: 'warning',
      message: `store: ${records} records of ${stream} are damaged and were skipped`,
      fix: 'Check the disk; the records are counted as expired in the audit.',
      detail: { stream, firstSeq, records },
    });
  }

  streamFull(stream: string, full: boolean): void {
    if (full === this.#full.has(stream)) return;
    if (full) this.#full.add(stream);
    else this.#full.delete(stream);
    if (this.#full.size === 0) {
      this.#alarms.clear('journal-full');
      return;
    }
    const streams = [...this.#full];
    this.#alarms.raise({
      kind: 'journal-full',
      severity: 'critical',
      message: `store: ${streams.join(', ')} hold all they may and are still needed; new readings are refused`,
      fix: 'Bring the consumers back (see `aimx-gateway status`), or raise journal.maxBytes of the stream.',
      detail: { streams },
    });
  }

  expired({ stream, consumer, expired }: ExpiredCount, now: number): void {
    this.#expiredAt = now;
    this.#alarms.raise({
      kind: 'journal-expired',
      severity: 'warning',
      message: `store: ${expired} records of ${stream} were given up before ${consumer} had them`,
      fix: 'Bring the consumer back, or raise journal.maxBytes and journal.maxAge of the stream.',
      detail: { stream, consumer, expired },
    });
  }

  /** Ends what is over; `now` is monotonic. */
  review(now: number): void {
    if (this.#expiredAt === undefined || now - this.#expiredAt < EXPIRED_FOR_MS) return;
    this.#expiredAt = undefined;
    this.#alarms.clear('journal-expired');
  }
}
