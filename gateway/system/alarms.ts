import type { Alarm, Alarms } from '../ports/alarms.ts';
import type { Log } from '../ports/log.ts';

/** Most different kinds kept at once; kinds are compiled in, so this only guards against a mistake of ours. */
const MAX_KINDS = 200;

export interface AlarmBoard extends Alarms {
  /** Called on every change: a raised or updated alarm, or the kind that was cleared. Returns the function that ends it. */
  subscribe(listener: (kind: string, alarm: Alarm | null) => void): () => void;
}

/** The alarms that are active now, in memory: each is raised again by its owner after a restart if it still holds. */
export function createAlarms(log: Log): AlarmBoard {
  const active = new Map<string, Alarm>();
  const listeners = new Set<(kind: string, alarm: Alarm | null) => void>();
  const tell = (kind: string, alarm: Alarm | null): void => {
    for (const listener of listeners) listener(kind, alarm);
  };
  return {
    raise(alarm) {
      const known = active.get(alarm.kind);
      if (known?.message === alarm.message && known.severity === alarm.severity) return;
      if (!known && active.size >= MAX_KINDS) return;
      active.set(alarm.kind, alarm);
      log.warn(
        { kind: alarm.kind, severity: alarm.severity, fix: alarm.fix, ...alarm.detail },
        `alarm: ${alarm.message}`,
      );
      tell(alarm.kind, alarm);
    },
    clear(kind) {
      if (!active.delete(kind)) return;
      log.info({ kind }, `alarm: ${kind} is over`);
      tell(kind, null);
    },
    active: () => [...active.values()],
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
