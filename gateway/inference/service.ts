import type { GatewayError } from '../errors.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Inference, ModelInfo } from '../ports/inference.ts';
import type { Log } from '../ports/log.ts';
import type { Bundle } from './bundle.ts';
import type { TrialStats } from './life/outcomes.ts';
import type { NewVersionPolicy, VersionEntry } from './life/record.ts';
import type { TrialPolicy } from './life/trials.ts';
import type { ModelStats } from './model-stats.ts';
import type { RuntimeSettings } from './runners/settings.ts';
import type { Trust } from './signing/trust.ts';

/** What the inference part is made with, and what it offers besides the port. */

export interface InferenceOptions {
  /** Folders of bundle folders; the first that has a `name@version` counts. */
  readonly modelDirs: readonly string[];
  /** The one of them that users add bundles to; the states of versions are kept there. Absent: in memory. */
  readonly installedDir?: string;
  /** What becomes of a higher version that a user adds to a name that has a live one. Default: live. */
  readonly newVersion?: NewVersionPolicy;
  /** Milliseconds for which the previous version backs a new live one. */
  readonly probation?: number;
  /** What gateway.yaml says about runtimes; absent: the defaults. */
  readonly runtimes?: RuntimeSettings;
  /** What ends trials; absent: the defaults. */
  readonly trials?: TrialPolicy;
  /** Which signatures are asked for; absent: none. */
  readonly trust?: Trust;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  /** References to load at start; others are loaded when first used. */
  readonly preload?: readonly string[];
  /** Rows waiting in one priority before callers from outside are refused. */
  readonly maxWaiting?: number;
  /** Accounts that rent a part of the compute time, in percent: they have it whenever they need it. */
  readonly rents?: ReadonlyMap<string, number>;
  /** Resident bytes of the model host beyond which models give way, and beyond which it is replaced by a fresh one. */
  readonly maxHostRss?: number;
  /** Bytes beyond which the model host cannot allocate. */
  readonly maxHostBytes?: number;
}

export interface InferenceStats {
  readonly waiting: number;
  readonly inFlight: number;
  readonly host: {
    readonly pid: number | undefined;
    /** Resident bytes at the last heartbeat; 0 before the first. */
    readonly rss: number;
    readonly restarts: number;
  };
  /** The host of versions on trial; there is none while nothing is. */
  readonly trialHost: InferenceStats['host'];
  readonly models: Readonly<Record<string, Readonly<ModelStats>>>;
}

/** An installed bundle, for people. */
export interface InstalledModel extends ModelInfo {
  readonly folder: string;
  readonly runtime: string;
  readonly priceClass: string;
  readonly card: Bundle['manifest']['card'];
  /** Whether it is in memory. */
  readonly state: 'installed' | 'serving' | 'refused';
  /** What it is there for. */
  readonly life: VersionEntry;
  /** How its trial goes; absent when it has none. */
  readonly trial?: TrialStats;
  /** Why it is refused. */
  readonly reason?: GatewayError;
}

/** Changes of what versions are there for. References are `name@version`; each takes effect at once and is kept. */
export interface ModelLife {
  /** See {@link InferenceService.rescan}. */
  rescan(): void;
  /** Installed versions of a name, the live one first. */
  versions(name: string): string[];
  /**
   * Loads and checks a version, then makes it live. Rejects when it must not serve, and with MODEL_FACE when callers of
   * the live version could not go on with it and `force` is not set.
   */
  promote(key: string, force?: boolean): Promise<void>;
  /** Ends the canary of a name, or makes its previous version live again. */
  rollback(name: string, note?: string): Promise<void>;
  /** Takes a version out of service. */
  stage(key: string, note?: string): void;
  shadow(key: string): Promise<void>;
  /** @param share of route keys, above 0 and at most 1 */
  canary(key: string, share: number): Promise<void>;
  /** Takes a version out of service and deletes its folder. Rejects for one that is live, or not a user's. */
  remove(key: string): Promise<void>;
}

export interface InferenceService extends Inference {
  start(signal: AbortSignal): Promise<void>;
  /** Answers what waits with STOPPING after a short time to finish, and ends the hosts. Idempotent. */
  stop(): Promise<void>;
  list(): InstalledModel[];
  /**
   * Looks for new bundles in the folders, and for those that are gone. A model whose folder is gone serves until it is
   * unloaded.
   */
  rescan(): void;
  readonly life: ModelLife;
  /** Starts a fresh host that takes over between batches; the old one gives its memory back. */
  replaceHost(): Promise<void>;
  stats(): InferenceStats;
}
