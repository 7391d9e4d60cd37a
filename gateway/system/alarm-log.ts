import { GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { JournalStream } from '../store/types.ts';

/** One change of an alarm, as the journal stream `$alarm` keeps it and `aimx/alarm/<kind>` shows it. */
export interface AlarmDocument {
  readonly id: string;
  readonly kind: string;
  readonly device: string;
  readonly time: number;
  readonly state: 'raised' | 'cleared';
  /** When this occurrence was raised; absent in documents of older versions. */
  readonly since?: number;
  readonly severity?: 'info' | 'warning' | 'critical';
  readonly message?: string;
  readonly fix?: string;
  readonly detail?: Readonly<Record<string, unknown>>;
  /** A person has said that it is known. */
  readonly acknowledged?: Acknowledgement;
}

export interface Acknowledgement {
  readonly by: string;
  readonly time: number;
  readonly note: string | null;
}

/** An alarm from its raising to its end. */
export interface AlarmOccurrence {
  /** The kind and when it was raised. */
  readonly id: string;
  readonly kind: string;
  readonly severity: 'info' | 'warning' | 'critical';
  readonly message: string;
  readonly fix: string;
  readonly state: 'active' | 'over';
  readonly since: number;
  readonly updated: number;
  readonly until: number | null;
  readonly acknowledged: Acknowledgement | null;
}

/** Occurrences kept in memory; the oldest that are over go first. */
const MAX_OCCURRENCES = 500;
/** Changes read back at the start. */
const REFILL = 4000;
const WEIGHT = { info: 0, warning: 1, critical: 2 };

/** What alarms there were and are, out of their documents. Holds nothing a restart loses. */
export class AlarmLog {
  /** In the order of their raising. */
  readonly #found = new Map<string, AlarmOccurrence>();
  /** By kind: the id of the one that is active. */
  readonly #active = new Map<string, string>();
  readonly #listeners = new Set<(occurrence: AlarmOccurrence) => void>();

  /** Newest first, active ones before those that are over. */
  list(): readonly AlarmOccurrence[] {
    const all = [...this.#found.values()].sort((a, b) => b.since - a.since);
    return [...all.filter(({ state }) => state === 'active'), ...all.filter(({ state }) => state === 'over')];
  }

  /** The active occurrence of a kind. */
  active(kind: string): AlarmOccurrence | undefined {
    return this.#found.get(this.#active.get(kind) ?? '');
  }

  /** @throws GatewayError NOT_FOUND */
  get(id: string): AlarmOccurrence {
    const found = this.#found.get(id);
    if (found) return found;
    throw new GatewayError('NOT_FOUND', 'there is no such alarm, or it is no longer kept', {
      received: id,
      fix: 'See GET /api/v1/alarms for those that are kept.',
    });
  }

  /** Called for each change. Returns the function that ends it. */
  subscribe(listener: (occurrence: AlarmOccurrence) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the end of the journal stream, without telling anybody. */
  async refill(stream: JournalStream<string>): Promise<void> {
    for (let after = Math.max(stream.tail - 1, stream.head - REFILL, 0); after < stream.head; ) {
      const records = await stream.read(after, 500);
      if (records.length === 0) return;
      for (const { value } of records) this.#take(JSON.parse(value) as AlarmDocument);
      after = records.at(-1)!.seq;
    }
  }

  note(document: AlarmDocument): void {
    const changed = this.#take(document);
    if (!changed) return;
    for (const listener of this.#listeners) listener(changed);
  }

  #take(document: AlarmDocument): AlarmOccurrence | undefined {
    const { kind, state, time, acknowledged } = document;
    if (acknowledged && document.since !== undefined) {
      const known = this.#found.get(idOf(kind, document.since));
      return known && this.#put({ ...known, acknowledged });
    }
    const before = this.active(kind);
    if (state === 'cleared') {
      if (!before) return undefined;
      this.#active.delete(kind);
      return this.#put({ ...before, state: 'over', updated: time, until: time });
    }
    const { severity = 'warning', message = '', fix = '' } = document;
    const told = { kind, severity, message, fix, updated: time };
    if (before) {
      const worse = WEIGHT[severity] > WEIGHT[before.severity];
      return this.#put({ ...before, ...told, acknowledged: worse ? null : before.acknowledged });
    }
    const since = document.since ?? time;
    const id = idOf(kind, since);
    this.#active.set(kind, id);
    return this.#put({ ...told, id, state: 'active', since, until: null, acknowledged: null });
  }

  #put(occurrence: AlarmOccurrence): AlarmOccurrence {
    this.#found.set(occurrence.id, occurrence);
    if (this.#found.size > MAX_OCCURRENCES) {
      const gone = this.#found.values().find(({ state }) => state === 'over');
      if (gone) this.#found.delete(gone.id);
    }
    return occurrence;
  }
}

const idOf = (kind: string, since: number): string => `${kind}-${since}`;

/** What to write when a person says that an alarm is known. @throws GatewayError NOT_FOUND */
export function acknowledging(
  log: AlarmLog,
  id: string,
  clock: Clock,
  by: string,
  note: string | undefined,
): Omit<AlarmDocument, 'id'> {
  const { kind, since, severity, message, fix, state } = log.get(id);
  const time = clock.now();
  return {
    kind,
    device: kind,
    time,
    state: state === 'active' ? 'raised' : 'cleared',
    since,
    severity,
    message,
    fix,
    acknowledged: { by, time, note: note ?? null },
  };
}
