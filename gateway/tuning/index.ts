import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { addBundle } from '../inference/install.ts';
import { scanBundles } from '../inference/registry.ts';
import type { Trust } from '../inference/signing/trust.ts';
import type { VerifyOptions } from '../inference/verify.ts';
import { findSubject, noteShadow } from './find.ts';
import type { TuneReport } from './job.ts';
import { runChild } from './process.ts';

export interface TuneOptions extends VerifyOptions {
  /** `name` or `name@version`. */
  readonly model: string;
  readonly stream: string;
  readonly dataDir: string;
  /** Folder of the bundles that come with the gateway, and of the user's. */
  readonly bundled: string;
  readonly installed: string;
  readonly fields?: readonly string[];
  readonly device?: string;
  /** Readings that arrived at or after this, in epoch milliseconds. */
  readonly since: number;
  /** A CSV file of labels, see `labels.ts`. */
  readonly labels?: string;
  readonly epochs?: number;
  readonly maxRows?: number;
  /** Nice value of the process that tunes; default 19, the lowest priority. */
  readonly priority?: number;
  /** Whose signatures count; a policy that requires one refuses what is made here. */
  readonly trust?: Trust;
  readonly onProgress: (share: number, note: string) => void;
  /**
   * Makes the installed version a shadow where a gateway runs; absent: the states in the folder are changed, which only
   * a stopped gateway reads.
   */
  readonly adopt?: (model: string) => Promise<void>;
}

export interface Tuned {
  /** `name@version`. */
  readonly model: string;
  readonly folder: string;
  readonly goldenSamples: number;
  readonly report: TuneReport;
}

const EPOCHS = 30;
const MAX_ROWS = 500_000;
const SEED = 20261122;
const LOWEST_PRIORITY = 19;
/** Half-done candidates; the number is the process that makes it. */
const WORK = /^\.tune-(\d+)-/;

/**
 * Fine-tunes a bundled model on the readings that the journal holds and installs the result as a new version in state
 * shadow. Everything happens on this machine, in a child process of the lowest priority; what it leaves when it or this
 * process is killed is a folder that nobody reads, removed by the next call. Rejects with a coded error.
 */
export async function tuneModel(options: TuneOptions): Promise<Tuned> {
  const { installed, bundled, signal, onProgress, device, labels } = options;
  mkdirSync(installed, { recursive: true });
  sweep(installed);
  const { bundles } = scanBundles([bundled, installed]);
  const { base, recipe, version } = findSubject(options.model, bundles, options);
  const { name } = base.manifest;
  const candidate = join(installed, `.tune-${process.pid}-${randomUUID()}`);
  try {
    mkdirSync(candidate);
    const job = {
      bundle: base.folder,
      recipe,
      candidate,
      version,
      dataDir: options.dataDir,
      stream: options.stream,
      fields: options.fields,
      device,
      since: options.since,
      labels,
      epochs: options.epochs ?? EPOCHS,
      maxRows: options.maxRows ?? MAX_ROWS,
      seed: SEED,
      priority: options.priority ?? LOWEST_PRIORITY,
    };
    const report = await runChild(job, signal, onProgress);
    onProgress(0.97, 'checks the golden samples');
    const taken = new Set(bundles.map(({ manifest }) => `${manifest.name}@${manifest.version}`));
    const versions = bundles.flatMap(({ manifest }) => (manifest.name === name ? [manifest.version] : []));
    // Before it is there: a state without a bundle is forgotten at the next start, a bundle without one might go live.
    if (!options.adopt) noteShadow(installed, name, version, versions);
    const { bundle, samples } = await addBundle(candidate, installed, { ...options, taken });
    const model = `${name}@${version}`;
    await options.adopt?.(model);
    return { model, folder: bundle.folder, goldenSamples: samples, report };
  } finally {
    rmSync(candidate, { recursive: true, force: true });
  }
}

/** Removes what processes that are gone have left. */
function sweep(installed: string): void {
  for (const name of readdirSync(installed)) {
    const pid = Number(WORK.exec(name)?.[1]);
    if (pid > 0 && pid !== process.pid && !alive(pid))
      rmSync(join(installed, name), { recursive: true, force: true });
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
