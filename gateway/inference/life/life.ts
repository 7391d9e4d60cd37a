import { asGatewayError, GatewayError } from '../../errors.ts';
import type { Alarms } from '../../ports/alarms.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Bundle } from '../bundle.ts';
import { compareVersions } from '../registry.ts';
import type { LifeFile } from './file.ts';
import {
  type Family,
  highestFirst,
  inState,
  type LifeState,
  type NewVersionPolicy,
  onTrial,
  promoted,
  rolledBack,
  servingFirst,
  staged,
  type VersionEntry,
  withoutVersion,
  withVersion,
} from './record.ts';
import { placeOf } from './router.ts';

/** A version that is installed. */
export interface Installed {
  /** `name@version`. */
  readonly key: string;
  readonly bundle: Bundle;
}

export interface LifeOptions<M extends Installed> {
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly file: LifeFile;
  /** By `name@version`; what is in it changes between calls of {@link Life.adopt}. */
  readonly installed: ReadonlyMap<string, M>;
  /** What becomes of a higher version of a name that has a live one. */
  policy(bundle: Bundle): NewVersionPolicy;
  /** Milliseconds for which the previous version backs a new live one. */
  readonly probation: number;
  /** Why a version cannot take the place of another for its callers; undefined when it can. */
  misfit(next: M, live: M): string | undefined;
  /** Loads a version for a state and runs its golden samples; rejects when it must not serve. */
  ready(model: M, state: LifeState): Promise<void>;
  /** Whether nothing is known against a version. */
  usable(model: M): boolean;
  /** Called after every change of states. */
  changed(name: string): void;
}

/** Who answers a call, and who does when that one cannot. */
export interface Route<M> {
  readonly model: M;
  /** Steps in for a canary, and for a version that has not been live for long. */
  readonly instead?: M | undefined;
  /** What `model` is, where it is watched. */
  readonly state?: 'live' | 'canary' | 'shadow';
  /** On trial beside the live version that answers. */
  readonly shadow?: M | undefined;
  readonly canary?: M | undefined;
}

/** What a name means now, so that routing costs a look-up. */
interface Standing<M> {
  readonly live: M | undefined;
  readonly canary: M | undefined;
  readonly share: number;
  readonly previous: M | undefined;
  /** When `live` became live. */
  readonly since: number;
  /** Made once, not per call. */
  readonly plain: Route<M>;
  readonly backed: Route<M>;
  readonly tried: Route<M>;
}

/** Decides which version of a model answers, and keeps that decision over restarts. */
export class Life<M extends Installed> {
  readonly #options: LifeOptions<M>;
  #families: Record<string, Family> = {};
  readonly #standings = new Map<string, Standing<M>>();

  constructor(options: LifeOptions<M>) {
    this.#options = options;
  }

  /** Reads what was decided before. Call it once, before {@link adopt}. */
  load(): void {
    const { file, alarms } = this.#options;
    const { models, damage } = file.read();
    this.#families = { ...models };
    if (!damage) return;
    alarms.raise({
      kind: 'model-life',
      severity: 'warning',
      message: damage.message,
      fix: 'Check which versions are live with `aimx-gateway models list` and promote the right ones.',
    });
  }

  /** Takes in what is installed now: new versions by policy; what is gone and is not live is forgotten. */
  adopt(): void {
    const { installed, clock, log } = this.#options;
    const before = JSON.stringify(this.#families);
    const now = clock.now();
    const names = new Set([...installed.values()].map(({ bundle }) => bundle.manifest.name));
    for (const [name, family] of Object.entries(this.#families)) {
      let next = family;
      for (const version in family)
        if (!installed.has(`${name}@${version}`)) next = withoutVersion(next, version);
      this.#families[name] = next;
      if (!names.has(name)) delete this.#families[name];
    }
    const rising: M[] = [];
    for (const name of names) {
      const family = this.#families[name] ?? {};
      this.#families[name] = this.#withNew(name, family, now, rising);
    }
    if (JSON.stringify(this.#families) !== before) this.#save(names);
    else this.#standings.clear();
    for (const model of rising)
      this.promote(model.key).catch((error: unknown) =>
        log.warn({ error: asGatewayError(error) }, `models: ${model.key} does not become live`),
      );
  }

  #withNew(name: string, before: Family, now: number, rising: M[]): Family {
    const { installed, policy, usable } = this.#options;
    let family = before;
    for (const { bundle } of installed.values())
      if (bundle.manifest.name === name) family = withVersion(family, bundle.manifest.version, now);
    const live = inState(family, 'live');
    if (live === undefined) {
      const [best] = [inState(family, 'previous'), ...highestFirst(Object.keys(family))].filter(
        (version) => version !== undefined && usable(installed.get(`${name}@${version}`)!),
      );
      return best === undefined ? family : promoted(family, best, now);
    }
    for (const version of highestFirst(Object.keys(family))) {
      if (compareVersions(version, live) <= 0) break;
      const model = installed.get(`${name}@${version}`)!;
      const wanted = policy(model.bundle);
      if (!family[version]!.fresh || !usable(model)) continue;
      if (wanted === 'live') {
        rising.push(model);
        break;
      }
      if (wanted === 'shadow') {
        family = onTrial(family, version, { state: 'shadow' }, now);
        break;
      }
    }
    return family;
  }

  /**
   * The version that answers a reference: `name@version` is that one; a name is the live one, or the canary for its
   * share of route keys. While the live version must not serve, the previous or a lower one takes its place.
   * Throws MODEL_MISSING.
   */
  route(reference: string, routeKey?: string): Route<M> {
    const { installed, usable, clock, probation } = this.#options;
    if (reference.includes('@')) {
      const model = installed.get(reference);
      if (!model) throw this.#missing(reference);
      const { live, plain } = this.#standing(model.bundle.manifest.name);
      return model === live ? plain : { model };
    }
    const standing = this.#standing(reference);
    const { live, canary, share, previous, since } = standing;
    if (!live) throw this.#missing(reference);
    if (canary && routeKey !== undefined && placeOf(routeKey, canary.key) < share && usable(canary))
      return standing.tried;
    if (!usable(live)) return { model: this.#substitute(reference, standing) ?? live };
    if (!previous || Math.abs(clock.now() - since) > probation) return standing.plain;
    return usable(previous) ? standing.backed : standing.plain;
  }

  /** What stands in for a live version that must not serve: the previous, else the highest below it. */
  #substitute(name: string, { live, previous }: Standing<M>): M | undefined {
    const { installed, usable } = this.#options;
    if (previous && usable(previous)) return previous;
    const liveVersion = live!.bundle.manifest.version;
    for (const version of highestFirst(Object.keys(this.#families[name] ?? {}))) {
      const model = installed.get(`${name}@${version}`);
      if (model && compareVersions(version, liveVersion) < 0 && usable(model)) return model;
    }
    return undefined;
  }

  /** State of a version; undefined when it is not installed. */
  entry(name: string, version: string): VersionEntry | undefined {
    return this.#families[name]?.[version];
  }

  /** Installed versions of a name, the live one first. */
  versions(name: string): string[] {
    return servingFirst(this.#families[name] ?? {});
  }

  /**
   * Loads and checks a version, then makes it live. What was live answers until then, and is `previous` after. Rejects
   * with MODEL_FACE when callers of the live version could not go on with it, unless `force` says that this is known.
   */
  async promote(key: string, force = false): Promise<void> {
    const { model, name, version } = this.#find(key);
    if (!force) this.#checkFace(model, name);
    await this.#options.ready(model, 'live');
    this.#change(name, (family, now) => promoted(family, version, now));
    this.#options.log.info({ model: key }, `models: ${key} is live`);
  }

  /** Ends the canary of a name, or makes its previous version live again, once that has been loaded and checked. */
  async rollback(name: string, note?: string): Promise<void> {
    const family = this.#families[name];
    if (!family) throw this.#missing(name);
    const target = inState(rolledBack(name, family, 0), 'live');
    if (inState(family, 'canary') === undefined)
      await this.#options.ready(this.#find(`${name}@${target}`).model, 'live');
    this.#change(name, (current, now) => rolledBack(name, current, now, note));
    this.#options.log.warn({ model: name, note }, `models: rolled ${name} back to ${name}@${target}`);
  }

  /** Takes a version out of service: it answers only when it is asked for by its version. */
  stage(key: string, note?: string): void {
    const { name, version } = this.#find(key);
    this.#change(name, (family, now) => staged(family, version, now, note));
  }

  /** Loads and checks a version, then puts it beside the live one. */
  async tryOut(
    key: string,
    trial: { readonly state: 'shadow' } | { readonly state: 'canary'; readonly share: number },
  ): Promise<void> {
    const { model, name, version } = this.#find(key);
    onTrial(this.#families[name]!, version, trial, 0);
    this.#checkFace(model, name);
    await this.#options.ready(model, trial.state);
    this.#change(name, (family, now) => onTrial(family, version, trial, now));
    this.#options.log.info({ model: key, ...trial }, `models: ${key} is ${trial.state}`);
  }

  #checkFace(model: M, name: string): void {
    const { live } = this.#standing(name);
    const reason = live && live !== model ? this.#options.misfit(model, live) : undefined;
    if (reason === undefined) return;
    throw new GatewayError('MODEL_FACE', `${model.key} cannot take the place of ${live!.key}: ${reason}`, {
      received: model.key,
      expected: `what callers of ${live!.key} give and get`,
    });
  }

  #change(name: string, step: (family: Family, now: number) => Family): void {
    const before = this.#families[name] ?? {};
    this.#families[name] = step(before, this.#options.clock.now());
    try {
      this.#save([name]);
    } catch (error) {
      this.#families[name] = before;
      throw error;
    }
  }

  #save(names: Iterable<string>): void {
    this.#options.file.write(this.#families);
    this.#standings.clear();
    for (const name of names) this.#options.changed(name);
  }

  #standing(name: string): Standing<M> {
    let standing = this.#standings.get(name);
    if (standing) return standing;
    const family = Object.hasOwn(this.#families, name) ? this.#families[name] : undefined;
    if (!family) throw this.#missing(name);
    const { installed } = this.#options;
    const at = (version: string | undefined): M | undefined =>
      version === undefined ? undefined : installed.get(`${name}@${version}`);
    const canaryVersion = inState(family, 'canary');
    const liveVersion = inState(family, 'live');
    const [live, canary] = [at(liveVersion), at(canaryVersion)];
    const [shadow, previous] = [at(inState(family, 'shadow')), at(inState(family, 'previous'))];
    const plain = { model: live!, shadow, canary };
    standing = {
      live,
      canary,
      share: canaryVersion === undefined ? 0 : (family[canaryVersion]!.share ?? 0),
      previous,
      since: liveVersion === undefined ? 0 : family[liveVersion]!.since,
      plain,
      backed: { ...plain, instead: previous, state: 'live' },
      tried: { model: canary!, instead: live, state: 'canary' },
    };
    this.#standings.set(name, standing);
    return standing;
  }

  #find(key: string): { model: M; name: string; version: string } {
    const model = this.#options.installed.get(key);
    if (!model) throw this.#missing(key);
    const { name, version } = model.bundle.manifest;
    return { model, name, version };
  }

  #missing(reference: string): GatewayError {
    const keys = [...this.#options.installed.keys()].sort().join(', ');
    return new GatewayError('MODEL_MISSING', `no model "${reference}"; installed: ${keys || 'none'}`, {
      received: reference,
      expected: keys,
    });
  }
}
