import type { Alarm, Alarms } from '../../gateway/ports/alarms.ts';

/** Alarms kept in memory, with every kind that was ever raised in `history`. */
export function recordingAlarms(): Alarms & { readonly history: Alarm[] } {
  const active = new Map<string, Alarm>();
  const history: Alarm[] = [];
  return {
    history,
    raise(alarm) {
      history.push(alarm);
      active.set(alarm.kind, alarm);
    },
    clear: (kind) => void active.delete(kind),
    active: () => [...active.values()],
  };
}
