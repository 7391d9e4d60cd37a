import type { GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { TensorSpec } from '../ports/tensor.ts';
import { type Bundle, readBundle } from './bundle.ts';
import { makeGeneration } from './generation.ts';
import { readGolden } from './golden.ts';
import { HostProcess } from './host-process.ts';
import { Model } from './model.ts';
import { planOf } from './plan.ts';
import type { RuntimeSettings } from './runners/settings.ts';
import { type Signature, Trust } from './signing/trust.ts';
import { DEFAULT_HOST_BYTES } from './spawn-host.ts';

/** What looking at models outside the service needs. */
export interface VerifyOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** What gateway.yaml says about runtimes; absent: the defaults. */
  readonly runtimes?: RuntimeSettings;
  /** Which signatures are asked for; absent: none. */
  readonly trust?: Trust;
}

export interface Verified {
  readonly bundle: Bundle;
  /** Golden samples that were right; 0 when the bundle has none. */
  readonly samples: number;
  readonly signature: Signature;
}

const OPEN = new Trust('off', []);

/**
 * Checks a bundle folder as it is checked before it serves: manifest, SHA-256, loading and golden samples, in a model
 * host of its own. Rejects with the coded error that says what is wrong.
 */
export async function verifyBundle(folder: string, options: VerifyOptions): Promise<Verified> {
  const bundle = readBundle(folder);
  const signature = await (options.trust ?? OPEN).checkFolder(bundle);
  const samples = readGolden(bundle).length;
  const model = new Model(bundle, planOf(bundle, options.runtimes), 1);
  const { host, refused } = await makeGeneration({
    ...options,
    // It was looked at above, wherever it lies.
    trust: OPEN,
    measured: () => undefined,
    sizeOf: () => 0,
    maxRss: Number.POSITIVE_INFINITY,
    models: [model],
    maxBytes: DEFAULT_HOST_BYTES,
    ...noted(options.log),
  });
  host.close();
  await host.ended;
  const reason: GatewayError | undefined = refused.get(model);
  if (reason) throw reason;
  return { bundle, samples, signature };
}

/** Inputs and outputs of a model file, read in a model host of its own, so that a bad file harms nothing. */
export async function inspectModel(
  file: string,
  runtime: string,
  options: VerifyOptions,
): Promise<{ inputs: TensorSpec[]; outputs: TensorSpec[] }> {
  const host = new HostProcess({ ...options, maxBytes: DEFAULT_HOST_BYTES, onExit: () => undefined });
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
