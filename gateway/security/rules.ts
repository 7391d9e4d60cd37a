import type { Config } from '../config/schema.ts';
import { overlap, type Pattern, parseFilter } from '../config/topics.ts';
import { Router } from '../ingest/router.ts';
import type { DeviceRole } from './identity-file.ts';

/** Topics below `aimx/` that clients may write; all others are the gateway's own. */
const WRITABLE_OWN = ['s', 'infer', 'channel'];

/** A payer's words on one channel; what they are worth is decided by their signature. */
const WORD = /^aimx\/channel\/0x[0-9a-f]{64}\/(ceiling|ack)$/i;
/** What the gateway says about one channel, to whoever knows its id. */
const CHANNEL = /^aimx\/channel\/0x[0-9a-f]{64}\/(state|head|\+)$/i;

/** What a device must not see of others, even where a wildcard of a stream would let it. */
const PRIVATE: readonly Pattern[] = ['reply', 'infer', 'alarm', 'channel'].map((kind) => ({
  levels: ['aimx', kind, '#'],
  captures: [],
}));

/** Who asks: the role decides, name and client id bind what is personal. */
export interface Asker {
  readonly name: string;
  readonly role: DeviceRole;
  readonly clientId: string | undefined;
}

/**
 * The default access rules, deny by default. Pure. Messages, wills and retained messages are judged alike.
 *
 * A device publishes readings that the routes attribute to it, and inference requests; it subscribes to results, the
 * status, its answers and its own topics. An integrator is trusted with the local bus: it subscribes everything but
 * `$…` and publishes everything but what is the gateway's own. Nobody writes `$…`.
 */
export class AccessRules {
  /** The same routers as the intake's, so that access and attribution cannot disagree. */
  readonly #topics = new Router<true>();
  readonly #paths = new Router<true>();
  /** Filters of streams, for subscriptions of a device to its own topics. */
  readonly #filters: (readonly string[])[] = [];

  constructor(streams: Config['streams']) {
    for (const stream of streams) {
      const own = `aimx/s/${stream.id}/{device}`;
      this.#topics.add(own, true);
      this.#paths.add(`s/${stream.id}/{device}`, true);
      for (const filter of [own, ...list(stream.from?.mqtt)]) {
        if (filter !== own) this.#topics.add(filter, true);
        const parsed = parseFilter(filter);
        if ('pattern' in parsed) this.#filters.push(parsed.pattern.levels);
      }
      for (const path of list(stream.from?.coap)) this.#paths.add(path, true);
    }
  }

  mayPublish(asker: Asker, topic: string): boolean {
    if (topic === '' || topic.startsWith('$') || /[+#\0]/.test(topic)) return false;
    const levels = topic.split('/');
    if (levels[0] === 'aimx' && !WRITABLE_OWN.includes(levels[1] ?? '')) return false;
    if (levels[0] === 'aimx' && levels[1] === 'channel') return WORD.test(topic);
    if (asker.role === 'integrator') return true;
    if (levels[0] === 'aimx' && levels[1] === 'infer') return levels.length > 2;
    return this.#ownReading(asker.name, topic);
  }

  /** Whether some route takes the topic or path, and every route that does attributes it to `name`. */
  #ownReading(name: string, address: string): boolean {
    const routes = [this.#topics.lookup(address), this.#paths.lookup(address)].filter(
      (route) => route !== undefined,
    );
    return (
      routes.length > 0 &&
      // Without a device in the address the payload names it (SenML), or the stream stands for it.
      routes.every((route) => route.valid && (route.device === undefined || route.device === name))
    );
  }

  maySubscribe(asker: Asker, filter: string): boolean {
    const inner = withoutShare(filter);
    if (inner === undefined || inner.startsWith('$')) return false;
    if (asker.role === 'integrator') return true;
    if (asker.clientId !== undefined && inner === `aimx/reply/${asker.clientId}`) return true;
    const parsed = parseFilter(inner);
    if (!('pattern' in parsed)) return false;
    const { levels } = parsed.pattern;
    if (levels[0] === 'aimx' && levels[1] === 'result') return true;
    if (inner === 'aimx/status' || CHANNEL.test(inner)) return true;
    if (PRIVATE.some((own) => overlap(own, parsed.pattern))) return false;
    return this.#filters.some((own) => own.includes('{device}') && covers(bind(own, asker.name), levels));
  }
}

/** The filter inside `$share/<group>/<filter>`; undefined when the share is malformed (MQTT 5 §4.8.2). */
function withoutShare(filter: string): string | undefined {
  if (!filter.startsWith('$share/')) return filter;
  const rest = filter.slice('$share/'.length);
  const slash = rest.indexOf('/');
  if (slash < 1 || slash === rest.length - 1 || /[+#]/.test(rest.slice(0, slash))) return undefined;
  return rest.slice(slash + 1);
}

/** A stream's filter as one device may use it. */
const bind = (levels: readonly string[], device: string): string[] =>
  levels.map((level) => (level === '{device}' ? device : /^\{.*\}$/.test(level) ? '+' : level));

/** Whether every topic that `filter` matches is also matched by `allowed`. */
export function covers(allowed: readonly string[], filter: readonly string[]): boolean {
  for (let i = 0; ; i++) {
    const a = allowed[i];
    const f = filter[i];
    if (a === '#') return true;
    if (a === undefined || f === undefined) return a === f;
    if (f === '#') return false;
    if (a !== '+' && a !== f) return false;
  }
}

const list = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;
