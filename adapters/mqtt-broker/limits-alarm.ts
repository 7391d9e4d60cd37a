import type { Alarms } from '../../gateway/ports/alarms.ts';

/** What the broker turned away because a bound was reached, in counts since the start. */
export type TurnedAway = {
  /** Connections beyond `maxConnections`. */
  readonly connections: number;
  /** Persistent sessions beyond `maxSessions`. */
  readonly sessions: number;
  /** Messages for clients that are away, beyond `maxQueuedMessages` or `maxQueuedBytes`. */
  readonly queued: number;
  /** Retained messages beyond `maxRetained`, or without room for their bytes. */
  readonly retained: number;
};

const WHAT: Readonly<Record<keyof TurnedAway, string>> = {
  connections: 'connections (limits.maxConnections)',
  sessions: 'persistent sessions (limits.maxSessions)',
  queued: 'messages for clients that are away (limits.maxQueuedMessages, limits.maxQueuedBytes)',
  retained: 'retained messages (limits.maxRetained, limits.maxQueuedBytes)',
};

/** It is over when nothing was turned away for this long, ms. */
const QUIET_MS = 60_000;

/** Raises `mqtt-limits` while bounds of the broker turn something away, and clears it by itself. */
export class LimitsAlarm {
  readonly #alarms: Alarms;
  #before: TurnedAway = { connections: 0, sessions: 0, queued: 0, retained: 0 };
  readonly #since = new Map<keyof TurnedAway, number>();

  constructor(alarms: Alarms) {
    this.#alarms = alarms;
  }

  /** To be called every few seconds. @param now monotonic, ms */
  review(counts: TurnedAway, now: number): void {
    const kinds = Object.keys(WHAT) as (keyof TurnedAway)[];
    for (const kind of kinds) if (counts[kind] > this.#before[kind]) this.#since.set(kind, now);
    this.#before = counts;
    for (const [kind, at] of this.#since) if (now - at >= QUIET_MS) this.#since.delete(kind);
    if (this.#since.size === 0) {
      this.#alarms.clear('mqtt-limits');
      return;
    }
    const list = kinds.filter((kind) => this.#since.has(kind)).map((kind) => WHAT[kind]);
    this.#alarms.raise({
      kind: 'mqtt-limits',
      severity: 'warning',
      message: `The MQTT broker turns away ${list.join(', ')}`,
      fix: 'Look for clients that multiply, or never come back for their messages; if all of them are wanted, raise the limits named.',
    });
  }
}
