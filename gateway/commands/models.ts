import type { Config } from '../config/schema.ts';
import { suggest } from '../config/suggest.ts';
import { asGatewayError, GatewayError } from '../errors.ts';
import { addBundle } from '../inference/install.ts';
import { scanBundles } from '../inference/registry.ts';
import { type VerifyOptions, verifyBundle } from '../inference/verify.ts';
import { systemClock } from '../system/clock.ts';
import { createLog } from '../system/log.ts';
import { bundledModels } from '../system/version.ts';
import type { Command, CommandContext, ExitCode } from './command.ts';
import { runSubcommand, type Subcommand, theWord } from './subcommands.ts';
import { table } from './ui/table.ts';

/** `models list|add|verify`: the model bundles of this gateway. */
export const models: Command = {
  name: 'models',
  summary: 'model bundles: list, add, verify',
  usage: ['models list', 'models add FOLDER|FILE.onnx', 'models verify [NAME[@VERSION]]'],
  help: `
add copies a bundle (a folder with model.yaml, the model file and golden samples) into the folder of installed models, after
manifest, checksum and golden samples were checked on this machine. A bare .onnx file with one input gets a manifest from
what it says of itself. A running gateway has the model after its next start. verify checks bundles the same way: exit
code 1 if one fails.`,
  longRunning: true,
  run: (context) => runSubcommand('models', context, { list, add, verify }),
};

const configOf = (context: CommandContext): Config =>
  context.config({ quiet: true, checkFiles: false }).config;

const nameOf = ({ name, version }: { name: string; version: string }): string => `${name}@${version}`;

const foldersOf = (config: Config): string[] => [bundledModels(), config.models.dir!];

const list: Subcommand = async (context) => {
  const { bundles, broken } = scanBundles(foldersOf(configOf(context)));
  const rows = bundles.map(({ folder, manifest }) => ({
    name: manifest.name,
    version: manifest.version,
    runtime: manifest.runtime,
    features: manifest.features,
    rows: manifest.rows ?? null,
    intendedUse: manifest.card.intendedUse,
    folder,
  }));
  const failed = broken.map(({ folder, error }) => ({ folder, error: error.toJSON() }));
  context.print({ models: rows, broken: failed }, () =>
    [
      table(rows, [
        { title: 'MODEL', value: (r) => `${r.name}@${r.version}` },
        { title: 'RUNTIME', value: (r) => r.runtime },
        { title: 'COLUMNS', value: (r) => r.features.join(',') || 'any one' },
        { title: 'ROWS', value: (r) => r.rows ?? 'any', align: 'right' },
        { title: 'FOR', value: (r) => r.intendedUse.split('\n')[0]?.slice(0, 60) },
      ]),
      ...broken.map(({ folder, error }) => context.ui.style.red(`${folder}: ${error.message}`)),
    ].join('\n'),
  );
  return broken.length === 0 ? 0 : 1;
};

const add: Subcommand = async (context, words) => {
  const source = theWord(words, 'models add FOLDER|FILE.onnx');
  const config = configOf(context);
  const taken = new Set(scanBundles([bundledModels()]).bundles.map(({ manifest }) => nameOf(manifest)));
  const options = { ...optionsOf(context.signal), taken };
  const { bundle, samples } = await addBundle(source, config.models.dir!, options);
  const model = nameOf(bundle.manifest);
  const { inputs, outputs } = bundle.manifest;
  context.print({ model, folder: bundle.folder, goldenSamples: samples }, () =>
    [
      `${context.ui.style.bold(model)} installed in ${bundle.folder}`,
      ...inputs.map((tensor) => `  input   ${tensorText(tensor)}`),
      ...outputs.map((tensor) => `  output  ${tensorText(tensor)}`),
      samplesText(samples),
      '',
      'To use it, name it in a pipeline and start the gateway anew:',
      `  model: ${model}`,
    ].join('\n'),
  );
  return 0;
};

const optionsOf = (signal: AbortSignal): VerifyOptions => ({
  clock: systemClock(),
  log: createLog({ level: 'silent' }),
  signal,
});

const tensorText = (tensor: { name: string; datatype: string; shape: readonly number[] }): string =>
  `${tensor.name}: ${tensor.datatype} [${tensor.shape.map((size) => (size < 0 ? 'any' : size)).join(', ')}]`;

const samplesText = (samples: number): string =>
  samples === 0
    ? 'It has no golden samples: nobody has checked its answers on this machine.'
    : `${samples} golden ${samples === 1 ? 'sample is' : 'samples are'} right on this machine.`;

export interface ModelVerdict {
  readonly model: string;
  readonly folder: string;
  readonly ok: boolean;
  /** Golden samples that were right. */
  readonly samples: number;
  readonly problem: string | null;
}

const verify: Subcommand = async (context, words) => {
  const only = words.length === 0 ? undefined : theWord(words, 'models verify [NAME[@VERSION]]');
  const folders = foldersOf(configOf(context));
  const progress = context.ui.progress('models', 100);
  const verdicts = await verifyModels(folders, { only, signal: context.signal }, (model, share) =>
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
    ]),
  );
  return (verdicts.every((verdict) => verdict.ok) ? 0 : 1) satisfies ExitCode;
};

function noSuchModel(name: string, folders: readonly string[]): GatewayError {
  const known = scanBundles(folders).bundles.map(({ manifest }) => nameOf(manifest));
  const meant = suggest(name, known);
  return new GatewayError('USAGE', `there is no model ${name}`, {
    received: name,
    expected: known.join(', '),
    fix: meant ? `Did you mean ${meant}?` : 'Run `aimx-gateway models list`.',
  });
}

/** Manifest, checksum and golden samples of every bundle (or the one named), in a model host of its own. */
export async function verifyModels(
  folders: readonly string[],
  options: { readonly only?: string | undefined; readonly signal: AbortSignal },
  progress: (model: string, share: number) => void,
): Promise<ModelVerdict[]> {
  const { bundles, broken } = scanBundles(folders);
  const { only, signal } = options;
  const verdicts: ModelVerdict[] = [];
  if (only === undefined) {
    for (const { folder, error } of broken)
      verdicts.push({ model: '?', folder, ok: false, samples: 0, problem: error.message });
  }
  for (const [index, { folder, manifest }] of bundles.entries()) {
    const model = nameOf(manifest);
    if (only !== undefined && only !== manifest.name && only !== model) continue;
    progress(model, index / bundles.length);
    try {
      const { samples } = await verifyBundle(folder, optionsOf(signal));
      verdicts.push({ model, folder, ok: true, samples, problem: null });
    } catch (error) {
      verdicts.push({ model, folder, ok: false, samples: 0, problem: asGatewayError(error).message });
    }
  }
  return verdicts;
}
