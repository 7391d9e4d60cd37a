import type { Config } from '../config/schema.ts';
import type { Alarm } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Publisher } from '../ports/publisher.ts';
import type { JournalStream, Store } from '../store/types.ts';
import { type AlarmDocument, AlarmLog, type AlarmOccurrence, acknowledging } from './alarm-log.ts';
import type { AlarmBoard } from './alarms.ts';
import { Backoff, LOCAL } from './backoff.ts';
import { openAlarms } from './document-streams.ts';
import type { Part } from './lifecycle.ts';

/** What an earlier run raised is over when nobody has raised it again by this time after the start. */
const GRACE_MS = 60_000;

export interface AlarmStreamParts {
  readonly config: Config;
  readonly board: AlarmBoard;
  readonly store: Store;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly log: Log;
}

/** The alarms of this gateway, kept. */
export interface AlarmStream extends Part {
  readonly log: AlarmLog;
  /** Writes down that a person knows of an alarm. @throws GatewayError NOT_FOUND */
  acknowledge(id: string, by: string, note: string | undefined): AlarmOccurrence;
}

/**
 * Writes each change of an alarm to the journal stream `$alarm`, whence upstream sinks take it, and publishes it
 * locally as `aimx/alarm/<kind>`, retained, so that who comes later sees the last state of each kind. Delivery: durable
 * upstream; locally the newest state of each kind, tried again until the broker takes it. An alarm that an earlier run
 * left raised is cleared when it does not hold any more.
 */
export function createAlarmStream(parts: AlarmStreamParts): AlarmStream {
  const { config, board, store, clock, log } = parts;
  const gateway = config.gateway.name;
  const stream = openAlarms(store, config);
  const copies = new LocalCopies(parts);
  const kept = new AlarmLog();
  let ordinal = 0;
  let unsubscribe: (() => void) | undefined;
  let cancelReview: (() => void) | undefined;

  const write = (document: Omit<AlarmDocument, 'id'>): void => {
    const { kind, time } = document;
    const whole = { id: `${gateway}/alarm/${kind}/${time}-${++ordinal}`, ...document };
    const json = JSON.stringify(whole);
    stream.append([{ device: kind, time, flags: 0, value: json }], (error) => {
      if (error)
        log.warn(
          { kind, error: error.message },
          'alarm: could not be written to the journal; it stays active',
        );
    });
    copies.put(kind, json);
    kept.note(whole);
  };

  const record = (kind: string, alarm: Alarm | null): void => {
    const time = clock.now();
    const before = kept.active(kind);
    write({
      kind,
      device: kind,
      time,
      state: alarm ? 'raised' : 'cleared',
      since: before?.since ?? time,
      ...(alarm ? { severity: alarm.severity, message: alarm.message, fix: alarm.fix } : {}),
      ...(alarm?.detail ? { detail: alarm.detail } : {}),
    });
  };

  const review = (left: ReadonlySet<string>): void => {
    const active = new Set(board.active().map(({ kind }) => kind));
    for (const kind of left.difference(active)) record(kind, null);
  };

  return {
    name: 'alarms',
    log: kept,
    acknowledge(id, by, note) {
      write(acknowledging(kept, id, clock, by, note));
      return kept.get(id);
    },
    async start() {
      await kept.refill(stream);
      const left = await raised(stream);
      copies.start();
      for (const alarm of board.active()) record(alarm.kind, alarm);
      unsubscribe = board.subscribe((kind, alarm) => {
        left.delete(kind);
        record(kind, alarm);
      });
      cancelReview = clock.after(GRACE_MS, () => review(left));
    },
    async stop() {
      cancelReview?.();
      unsubscribe?.();
      unsubscribe = undefined;
      copies.stop();
    },
  };
}

/** Kinds whose newest record says that they hold. */
async function raised(stream: JournalStream<string>): Promise<Set<string>> {
  const kinds = new Set<string>();
  for (const { device, lastSeq } of stream.devices()) {
    const [last] = await stream.read(lastSeq - 1, 1);
    if (last?.seq !== lastSeq) continue;
    if ((JSON.parse(last.value) as { state?: unknown }).state === 'raised') kinds.add(device);
  }
  return kinds;
}

/** The newest state of each kind on its way to the local broker. Bounded by the kinds there are. */
class LocalCopies {
  readonly #publisher: Publisher;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #backoff = new Backoff(LOCAL);
  readonly #waiting = new Map<string, string>();
  #running = false;
  #busy = false;
  #cancel: (() => void) | undefined;

  constructor({ publisher, clock, log }: AlarmStreamParts) {
    this.#publisher = publisher;
    this.#clock = clock;
    this.#log = log;
  }

  start(): void {
    this.#running = true;
  }

  stop(): void {
    this.#running = false;
    this.#cancel?.();
    this.#waiting.clear();
  }

  put(kind: string, json: string): void {
    this.#waiting.set(kind, json);
    void this.#send();
  }

  async #send(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#running && this.#waiting.size > 0) {
      const [kind, payload] = this.#waiting.entries().next().value!;
      try {
        await this.#publisher.publish([{ topic: `aimx/alarm/${kind}`, payload, qos: 1, retain: true }]);
        if (this.#waiting.get(kind) === payload) this.#waiting.delete(kind);
        this.#backoff.reset();
      } catch (error) {
        const retryMs = this.#backoff.next();
        this.#log.debug({ kind, error: String(error), retryMs }, 'alarm: not published yet, trying again');
        await new Promise<void>((resolve) => {
          this.#cancel = this.#clock.after(retryMs, resolve);
        });
      }
    }
    this.#busy = false;
  }
}
