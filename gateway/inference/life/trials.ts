import { asGatewayError } from '../../errors.ts';
import type { Alarms } from '../../ports/alarms.ts';
import type { Clock } from '../../ports/clock.ts';
import type { BatchAnswer, TensorAnswer, TensorRequest, WindowBatch } from '../../ports/inference.ts';
import type { Log } from '../../ports/log.ts';
import type { Model } from '../model.ts';
import type { Work } from '../work.ts';
import type { Closeness } from './compare.ts';
import type { Life, Route } from './life.ts';
import { type Judgement, Mirror } from './mirror.ts';
import { Outcomes, type TrialLimits, type TrialStats } from './outcomes.ts';
import type { Quarantine } from './quarantine.ts';
import type { LifeState } from './record.ts';

/** What ends trials, and what they may take. */
export interface TrialPolicy {
  readonly shadow: TrialLimits & {
    readonly tolerance: Closeness;
    /** Windows and rows of calls waiting for shadows before more are left out. */
    readonly maxWaiting: number;
    /** Good comparisons after which a shadow becomes live; 0: never by itself. */
    readonly autoPromote: number;
  };
  readonly canary: TrialLimits;
}

export interface TrialsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly life: Life<Model>;
  readonly policy: TrialPolicy;
  readonly quarantine: Quarantine;
  submit(work: Work): void;
  /** Answers what waits for a version that was taken back with an error, so that another one can answer it. */
  abandon(model: Model): void;
}

/** Windows as they are for a device that begins. */
export function withoutStates({ states: _, ...batch }: WindowBatch): WindowBatch {
  return batch;
}

/** Codes that are nobody's fault, or the caller's. */
const BLAMELESS: ReadonlySet<string> = new Set(['QUEUE_FULL', 'STOPPING', 'MODEL_SHAPE', 'DEADLINE']);

/**
 * Answers calls while versions are on trial. A canary, and a version that has just become live, is backed by the version
 * beside it: what it fails, that one answers. A shadow gets copies of what the live version has answered. Each is taken
 * back by itself, with an alarm, when it does worse than the limits allow.
 */
export class Trials {
  readonly #options: TrialsOptions;
  readonly #mirror: Mirror;
  readonly #outcomes = new Map<string, { readonly state: LifeState; readonly outcomes: Outcomes }>();
  /** Why versions were taken back, by name; an alarm until somebody decides about the name. */
  readonly #stopped = new Map<string, string>();
  readonly #ending = new Set<string>();

  constructor(options: TrialsOptions) {
    this.#options = options;
    const { clock, policy, submit } = options;
    this.#mirror = new Mirror({ clock, submit, ...policy.shadow });
  }

  /** Answers windows; `ask` runs them on a version. */
  async windows(
    route: Route<Model>,
    batch: WindowBatch,
    ask: (model: Model, batch: WindowBatch) => Promise<BatchAnswer>,
  ): Promise<BatchAnswer> {
    const { model, instead } = route;
    const answer = await ask(model, batch);
    const outcomes = this.#watched(route);
    if (outcomes)
      for (const { from, to, computeUs } of answer.parts) {
        for (let i = from; i < to; i++) outcomes.answered(computeUs);
      }
    const faults = answer.failures.filter(({ code }) => !BLAMELESS.has(code));
    this.#late(route, outcomes, answer.failures.filter(({ code }) => code === 'DEADLINE').length);
    if (!instead || faults.length === 0) {
      if (outcomes) this.#judge(route, outcomes);
      else this.#beside(route, answer.parts[0]?.computeUs);
      this.#compare(route, outcomes, (second, judgement) =>
        this.#mirror.windows(second, batch, answer, judgement),
      );
      return answer;
    }
    // State is a version's own: the one that steps in begins without.
    const second = await ask(instead, withoutStates(batch));
    for (const { index, code, message } of faults) {
      if (!second.failures.some((failure) => failure.index === index))
        outcomes?.failed(`${code}: ${message}`);
    }
    if (outcomes) this.#judge(route, outcomes);
    return second;
  }

  /** Answers a call with tensors. */
  async call(
    route: Route<Model>,
    request: TensorRequest,
    ask: (model: Model) => Promise<TensorAnswer>,
  ): Promise<TensorAnswer> {
    const { model, instead } = route;
    const answer = await ask(model);
    if (!answer.ok && answer.code === 'POISON')
      this.#options.quarantine.keep(model.key, request, answer.message);
    const outcomes = this.#watched(route);
    if (answer.ok) outcomes?.answered(answer.computeUs);
    else if (answer.code === 'DEADLINE') this.#late(route, outcomes, 1);
    if (answer.ok || !instead || BLAMELESS.has(answer.code)) {
      if (outcomes) this.#judge(route, outcomes);
      else this.#beside(route, answer.ok ? answer.computeUs : undefined);
      if (answer.ok)
        this.#compare(route, outcomes, (second, judgement) =>
          this.#mirror.call(second, request, answer, judgement),
        );
      return answer;
    }
    const second = await ask(instead);
    if (second.ok) outcomes?.failed(`${answer.code}: ${answer.message}`);
    if (outcomes) this.#judge(route, outcomes);
    return second;
  }

  /** A canary has a host of its own, so that only itself can make its callers wait. */
  #late({ state }: Route<Model>, outcomes: Outcomes | undefined, count: number): void {
    for (let i = 0; state === 'canary' && i < count; i++) outcomes?.failed('DEADLINE: no answer in time');
  }

  /** Figures of a version's trial; undefined when it has none. */
  stats(key: string): TrialStats | undefined {
    return this.#outcomes.get(key)?.outcomes.stats();
  }

  /** Somebody decided about a name: trials of its versions begin anew, and what was taken back is no alarm any more. */
  decided(name: string): void {
    const { life } = this.#options;
    for (const [key, { state }] of this.#outcomes) {
      const [of, version] = key.split('@') as [string, string];
      if (of === name && life.entry(name, version)?.state !== state) this.#outcomes.delete(key);
    }
    if (this.#ending.has(name)) return;
    this.#stopped.delete(name);
    this.#alarm();
  }

  /** Figures of the version a route leads to, while it is on trial. */
  #watched({ model, instead, state }: Route<Model>): Outcomes | undefined {
    return instead && state ? this.#of(model, state) : undefined;
  }

  #of(model: Model, state: LifeState): Outcomes {
    const known = this.#outcomes.get(model.key);
    if (known?.state === state) return known.outcomes;
    const { shadow, canary } = this.#options.policy;
    const outcomes = new Outcomes(state === 'shadow' ? shadow : canary);
    this.#outcomes.set(model.key, { state, outcomes });
    return outcomes;
  }

  /** What the live version took, for those on trial beside it. */
  #beside({ canary, shadow }: Route<Model>, computeUs: number | undefined): void {
    if (computeUs === undefined) return;
    if (canary) this.#of(canary, 'canary').live(computeUs);
    if (shadow) this.#of(shadow, 'shadow').live(computeUs);
  }

  /** Has the shadow compute what the live version has answered, or the live version what a canary has. */
  #compare(
    route: Route<Model>,
    canary: Outcomes | undefined,
    mirror: (second: Model, judgement: Judgement) => void,
  ): void {
    const { shadow, instead, state } = route;
    if (canary && instead && state === 'canary') {
      if (this.#options.policy.canary.maxDisagreement < 1)
        mirror(instead, { judged: 'answer', outcomes: canary, judge: () => this.#judge(route, canary) });
    } else if (shadow) {
      const outcomes = this.#of(shadow, 'shadow');
      const judge = (): void => this.#judge({ model: shadow, state: 'shadow' }, outcomes);
      mirror(shadow, { judged: 'copy', outcomes, judge });
    }
  }

  /** A call of a sequence was answered by the version with which it began; the shadow follows when that is the live one. */
  sequence(route: Route<Model>, request: TensorRequest, answer: TensorAnswer): void {
    if (!answer.ok || answer.model.sha256 !== route.model.identity.sha256) return;
    this.#compare(route, undefined, (second, judgement) =>
      this.#mirror.call(second, request, answer, judgement),
    );
  }

  #judge({ model, state }: Pick<Route<Model>, 'model' | 'state'>, outcomes: Outcomes): void {
    const { name, version } = model.bundle.manifest;
    if (this.#ending.has(name) || this.#outcomes.get(model.key)?.outcomes !== outcomes) return;
    const verdict = outcomes.verdict();
    if (verdict !== undefined) {
      this.#end(name, `${model.key} was taken back: ${verdict}`, async () => {
        if (state === 'live') await this.#options.life.rollback(name, verdict);
        else this.#options.life.stage(`${name}@${version}`, verdict);
        this.#options.abandon(model);
      });
      return;
    }
    const { autoPromote } = this.#options.policy.shadow;
    if (state !== 'shadow' || autoPromote === 0 || outcomes.compared < autoPromote) return;
    this.#ending.add(name);
    this.#options.log.info(
      { model: model.key, ...outcomes.stats() },
      `models: ${model.key} is as good as the live version`,
    );
    this.#settle(name, this.#options.life.promote(model.key));
  }

  #end(name: string, message: string, act: () => Promise<void>): void {
    this.#ending.add(name);
    this.#stopped.set(name, message);
    this.#options.log.error({ model: name }, `models: ${message}`);
    this.#alarm();
    this.#settle(name, act());
  }

  #settle(name: string, change: Promise<void>): void {
    const { log } = this.#options;
    change
      .catch((error: unknown) => log.error({ error: asGatewayError(error) }, `models: cannot change ${name}`))
      .finally(() => this.#ending.delete(name));
  }

  #alarm(): void {
    const { alarms } = this.#options;
    if (this.#stopped.size === 0) {
      alarms.clear('model-taken-back');
      return;
    }
    alarms.raise({
      kind: 'model-taken-back',
      severity: 'warning',
      message: [...this.#stopped.values()].join('; '),
      fix: 'The version before answers again. Mend the new one and add it under another version, or try it as a shadow: `aimx-gateway models shadow NAME@VERSION`.',
      detail: { models: [...this.#stopped.keys()] },
    });
  }
}
