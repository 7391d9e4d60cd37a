import { asGatewayError } from '../../errors.ts';
import { scanBundles } from '../../inference/registry.ts';
import type { RuntimeSettings } from '../../inference/runners/settings.ts';
import type { Trust } from '../../inference/signing/trust.ts';
import { verifyBundle } from '../../inference/verify.ts';
import type { ExitCode } from '../command.ts';
import { type Subcommand, theWord } from '../subcommands.ts';
import { table } from '../ui/table.ts';
import { configOf, foldersOf, nameOf, noSuchModel, optionsOf, samplesText, trustOf } from './shared.ts';

export interface ModelVerdict {
  readonly model: string;
  readonly folder: string;
  readonly ok: boolean;
  /** Golden samples that were right. */
  readonly samples: number;
  /** How it is signed, in words; null when it failed before. */
  readonly signature: string | null;
  readonly problem: string | null;
  /** What mends it, and whether that is not the bundle but what runs it. */
  readonly fix: string | null;
  readonly runtime: boolean;
}

export const verify: Subcommand = async (context, words) => {
  const only = words.length === 0 ? undefined : theWord(words, 'models verify [NAME[@VERSION]]');
  const config = configOf(context);
  const folders = foldersOf(config);
  const progress = context.ui.progress('models', 100);
  const options = { only, signal: context.signal, trust: trustOf(config), runtimes: config.models };
  const verdicts = await verifyModels(folders, options, (model, share) =>
    progress.update(100 * share, model),
  );
  progress.end();
  if (only !== undefined && verdicts.length === 0) throw noSuchModel(only, folders);
  const { green, red } = context.ui.style;
  context.print(verdicts, () =>
    table(verdicts, [
      { title: 'MODEL', value: (r) => r.model },
      {
        title: 'CHECK',
        value: (r) => (r.ok ? green(`checksum right, ${samplesText(r.samples)}`) : red(r.problem ?? '')),
      },
      { title: 'SIGNATURE', value: (r) => r.signature ?? '' },
    ]),
  );
  return (verdicts.every((verdict) => verdict.ok) ? 0 : 1) satisfies ExitCode;
};

/** Manifest, signature, checksum and golden samples of every bundle (or the one named), in a model host of its own. */
export async function verifyModels(
  folders: readonly string[],
  options: {
    readonly only?: string | undefined;
    readonly signal: AbortSignal;
    readonly trust: Trust;
    readonly runtimes: RuntimeSettings;
  },
  progress: (model: string, share: number) => void,
): Promise<ModelVerdict[]> {
  const { bundles, broken } = scanBundles(folders);
  const { only, signal, trust, runtimes } = options;
  const verdicts: ModelVerdict[] = [];
  if (only === undefined) {
    for (const { folder, error } of broken)
      verdicts.push({ model: '?', folder, ...failed(error), signature: null });
  }
  for (const [index, bundle] of bundles.entries()) {
    const { folder, manifest } = bundle;
    const model = nameOf(manifest);
    if (only !== undefined && only !== manifest.name && only !== model) continue;
    progress(model, index / bundles.length);
    let signature: string | null = null;
    try {
      const found = await trust.check(bundle);
      signature = 'reason' in found ? found.reason : `${found.form}, by ${found.key}`;
      const { samples } = await verifyBundle(folder, { ...optionsOf(signal), runtimes });
      verdicts.push({
        model,
        folder,
        ok: true,
        samples,
        signature,
        problem: null,
        fix: null,
        runtime: false,
      });
    } catch (error) {
      verdicts.push({ model, folder, ...failed(error), signature });
    }
  }
  return verdicts;
}

function failed(error: unknown): Pick<ModelVerdict, 'ok' | 'samples' | 'problem' | 'fix' | 'runtime'> {
  const { code, message, fix } = asGatewayError(error);
  return { ok: false, samples: 0, problem: message, fix, runtime: code === 'MODEL_RUNTIME' };
}
