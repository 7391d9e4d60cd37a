import { asGatewayError, type GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Dispatcher } from './dispatcher.ts';
import { type Generation, loadModel, noMemory, rssOf, whole } from './generation.ts';
import type { HostAlarms } from './host-alarms.ts';
import type { HostProcess } from './host-process.ts';
import type { Model } from './model.ts';
import type { Residency } from './residency.ts';
import type { Trust } from './signing/trust.ts';

/** How long models that must give way may finish what waits for them. */
const LINGER_MS = 2000;
const LOOK_MS = 10;

export interface TenantsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly dispatcher: Dispatcher;
  readonly trust: Trust;
  readonly residency: Residency;
  readonly alarms: HostAlarms;
  /** The host that serves, and its models. */
  current(): Generation | null;
  refused(model: Model): boolean;
  adopt(generation: Generation): void;
  /** Only these serve from now on. */
  reduce(serving: ReadonlySet<Model>): void;
  pause(ms: number): Promise<void>;
}

/** Models that come and go in a host that goes on: where memory does not allow for a fresh one beside it. */
export class Tenants {
  readonly #options: TenantsOptions;

  constructor(options: TenantsOptions) {
    this.#options = options;
  }

  /**
   * Loads what is asked for into the host that serves, after others gave way. Answers false when the host is empty and
   * has no room all the same.
   */
  async settle({ host }: Generation): Promise<boolean> {
    const { residency, refused: isRefused, log, trust } = this.#options;
    for (const model of residency.demanded) {
      const serving = this.#options.current()?.serving;
      if (this.#options.current()?.host !== host || !serving) return true;
      if (serving.has(model) || isRefused(model)) continue;
      if (!(await this.#makeRoom(host, model, residency.loadSize(model)))) return false;
      const measured = residency.measured.bind(residency);
      const refused = new Map<Model, GatewayError>();
      const failed = await loadModel(host, model, { log, trust, measured }).catch((error: unknown) => {
        if (!host.alive) return 'failed' as const;
        // It waits for the next round, alone.
        if (this.#options.current()?.serving.size && noMemory(error))
          residency.measured(model, whole(residency.maxBytes));
        else refused.set(model, asGatewayError(error));
        return 'failed' as const;
      });
      const now = this.#options.current();
      if (now?.host !== host) return true;
      if (failed && refused.size === 0) continue;
      const next = new Set(now.serving);
      if (refused.size === 0) next.add(model);
      this.#options.adopt({ host, serving: next, refused });
      // It may have taken more than was known of it.
      if (host.alive) await this.#makeRoom(host, model, 0);
    }
    return true;
  }

  /** Lets other models go until there is room for `size` more bytes; answers false when an empty host has none. */
  async #makeRoom(host: HostProcess, model: Model, size: number): Promise<boolean> {
    const { residency, alarms, current } = this.#options;
    const serving = new Set(current()?.serving);
    serving.delete(model);
    const leaving = residency.victims(serving, await rssOf(host), size);
    for (const victim of leaving) {
      if (residency.pinned(victim)) alarms.unpinned(victim, model);
      await this.#evict(host, victim);
    }
    // What came for them meanwhile waits for its turn.
    for (const victim of leaving) if (victim.waiting > 0) residency.demand(victim);
    if (size === 0 || current()?.host !== host || current()!.serving.size > 0) return true;
    const rss = await rssOf(host);
    return residency.fits(rss + size) || residency.isFresh(rss);
  }

  async #evict(host: HostProcess, victim: Model): Promise<void> {
    const { clock, dispatcher, log, current, reduce, pause } = this.#options;
    for (const end = clock.monotonic() + LINGER_MS; victim.waiting > 0 && clock.monotonic() < end; )
      await pause(LOOK_MS);
    const now = current();
    if (now?.host !== host) return;
    const serving = new Set([...now.serving].filter((one) => one !== victim));
    reduce(serving);
    await dispatcher.attach(host, serving);
    await host.control({ op: 'unload', handle: victim.handle });
    log.info({ model: victim.key }, `model host: ${victim.key} gave way to make room`);
  }
}
