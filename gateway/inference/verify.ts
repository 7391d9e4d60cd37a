import type { GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { TensorSpec } from '../ports/tensor.ts';
import { type Bundle, readBundle } from './bundle.ts';
import type { Footprint } from './footprints.ts';
import { makeGeneration } from './generation.ts';
import { readGolden } from './golden.ts';
import { HostProcess } from './host-process.ts';
import { Model } from './model.ts';
import { planOf } from './plan.ts';
import type { RuntimeSettings } from './runners/settings.ts';
import { type Signature, Trust } from './signing/trust.ts';
import { DEFAULT_HOST_BYTES, type HostLimits, isSparing } from './spawn-host.ts';

/** What looking at models outside the service needs. */
export interface VerifyOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** What gateway.yaml says about runtimes; absent: the defaults. */
  readonly runtimes?: RuntimeSettings;
  /** Which signatures are asked for; absent: none. */
  readonly trust?: Trust;
  /** Resident bytes that the host which will serve may have; absent: more than enough. */
  readonly maxHostRss?: number;
}

export interface Verified {
  readonly bundle: Bundle;
  /** Golden samples that were right; 0 when the bundle has none. */
  readonly samples: number;
  readonly signature: Signature;
  /** What it made a fresh host grow by. */
  readonly footprint: Footprint | undefined;
}

const OPEN = new Trust('off', []);

/** Limits of a host that looks at a model as the one that serves would. */
export const limitsOf = ({ maxHostRss = Number.POSITIVE_INFINITY }: VerifyOptions): HostLimits => ({
  maxBytes: DEFAULT_HOST_BYTES,
  sparing: isSparing(maxHostRss),
});

/**
 * Checks a bundle folder as it is checked before it serves: manifest, SHA-256, loading and golden samples, in a model
 * host of its own. Rejects with the coded error that says what is wrong.
 */
export async function verifyBundle(folder: string, options: VerifyOptions): Promise<Verified> {
  const bundle = readBundle(folder);
  const signature = await (options.trust ?? OPEN).checkFolder(bundle);
  const samples = readGolden(bundle).length;
  const model = new Model(bundle, planOf(bundle, options.runtimes), 1);
  let footprint: Footprint | undefined;
  const { host, refused } = await makeGeneration({
    ...options,
    // It was looked at above, wherever it lies.
    trust: OPEN,
    measured: (_, seen) => {
      footprint = seen;
    },
    loadSize: () => 0,
    maxRss: Number.POSITIVE_INFINITY,
    models: [model],
    ...limitsOf(options),
    ...noted(options.log),
  });
  host.close();
  await host.ended;
  const reason: GatewayError | undefined = refused.get(model);
  if (reason) throw reason;
  return { bundle, samples, signature, footprint };
}

/** Inputs and outputs of a model file, read in a model host of its own, so that a bad file harms nothing. */
export async function inspectModel(
  file: string,
  runtime: string,
  options: VerifyOptions,
): Promise<{ inputs: TensorSpec[]; outputs: TensorSpec[] }> {
  const host = new HostProcess({ ...options, ...limitsOf(options), onExit: () => undefined });
  const abort = (): void => host.kill('closed');
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    return await host.control<{ inputs: TensorSpec[]; outputs: TensorSpec[] }>({
      op: 'inspect',
      runtime,
      file,
    });
  } finally {
    options.signal.removeEventListener('abort', abort);
    host.close();
    await host.ended;
  }
}

const noted = (log: Log) => ({
  onStart: () => undefined,
  onExit: (_: HostProcess, exit: { kind: string; detail: string }): void => {
    if (exit.kind !== 'closed') log.warn(exit, 'model host: ended while a bundle was checked');
  },
});
