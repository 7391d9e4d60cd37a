import { GatewayError } from '../../errors.ts';
import type { LiveChannel, LiveSource, OverviewView } from '../../http/index.ts';
import type { ViewParts } from '../parts.ts';
import { readingsChannel } from './readings.ts';
import { resultsChannel } from './results.ts';

const STATUS_EVERY_MS = 2000;
/** Changes of alarms kept between two looks. */
const MAX_ALARMS = 100;

/** What happens in the gateway, for those who listen. Costs nothing while nobody does. */
export function createLive(parts: ViewParts, overview: () => OverviewView): LiveSource {
  return {
    open({ kind, id, device }) {
      switch (kind) {
        case 'status':
          return statusChannel(parts, overview);
        case 'alarms':
          return alarmsChannel(parts);
        case 'readings': {
          const journal = parts.readingStreams.get(id);
          if (!journal) throw missing('stream', id);
          return readingsChannel(id, journal, device);
        }
        case 'results': {
          const pipeline = parts.config.pipelines.find((one) => one.id === id);
          if (!pipeline) throw missing('pipeline', id);
          return resultsChannel(pipeline, parts.pipelines.feed, device);
        }
      }
    },
  };
}

const missing = (what: string, id: string): GatewayError =>
  new GatewayError('NOT_FOUND', `there is no ${what} ${id}`, { received: id });

function statusChannel({ clock }: ViewParts, overview: () => OverviewView): LiveChannel {
  let due = Number.NEGATIVE_INFINITY;
  return {
    collect() {
      const now = clock.monotonic();
      if (now < due) return [];
      due = now + STATUS_EVERY_MS;
      return [{ name: 'status', data: overview() }];
    },
    close() {},
  };
}

function alarmsChannel({ alarmLog }: ViewParts): LiveChannel {
  /** By occurrence: only the newest state of each is worth telling. */
  const changed = new Map<string, unknown>();
  const close = alarmLog.subscribe((alarm) => {
    changed.delete(alarm.id);
    changed.set(alarm.id, alarm);
    if (changed.size > MAX_ALARMS) changed.delete(changed.keys().next().value!);
  });
  return {
    collect() {
      const events = [...changed.values()].map((alarm) => ({ name: 'alarms' as const, data: { alarm } }));
      changed.clear();
      return events;
    },
    close,
  };
}
