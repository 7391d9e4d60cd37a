import type { Config } from '../config/schema.ts';
import { readBundle, verifyHash } from '../inference/bundle.ts';
import { readGolden } from '../inference/golden.ts';
import { createInference } from '../inference/index.ts';
import { scanBundles } from '../inference/registry.ts';
import { createAlarms } from '../system/alarms.ts';
import { systemClock } from '../system/clock.ts';
import { createLog } from '../system/log.ts';
import type { Command, CommandContext, ExitCode } from './command.ts';
import { bundledModels } from './installed-models.ts';
import { addModel } from './models/add.ts';
import { runSubcommand, type Subcommand, theWord } from './subcommands.ts';
import { table } from './ui/table.ts';

/** `models list|add|verify`: the model bundles of this gateway. */
export const models: Command = {
  name: 'models',
  summary: 'model bundles: list, add, verify',
  usage: ['models list', 'models add FOLDER', 'models verify [NAME[@VERSION]]'],
  help: `
add copies a bundle (a folder with model.yaml, the model file and golden samples) into the folder of installed models, after its
manifest, checksum and golden samples were checked on this machine. verify checks bundles the same way: exit 1 if one fails.`,
  run: (context) => runSubcommand('models', context, { list, add, verify }),
};

const configOf = (context: CommandContext): Config =>
  context.config({ quiet: true, checkFiles: false }).config;

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
  const folder = theWord(words, 'models add FOLDER');
  const config = configOf(context);
  const bundle = readBundle(folder);
  const reference = `${bundle.manifest.name}@${bundle.manifest.version}`;
  const target = await addModel(bundle, config.models.dir!, (copy) => goldenProblem([copy], reference));
  context.print({ model: reference, folder: target }, () => `${reference} installed in ${target}`);
  return 0;
};

export interface ModelVerdict {
  readonly model: string;
  readonly folder: string;
  readonly ok: boolean;
  readonly problem: string | null;
}

const verify: Subcommand = async (context, words) => {
  const config = configOf(context);
  const verdicts = await verifyModels(foldersOf(config), words[0], (label, done, total) =>
    context.ui.progress(label, total).update(done),
  );
  const { green, red } = context.ui.style;
  context.print(verdicts, () =>
    table(verdicts, [
      { title: 'MODEL', value: (r) => r.model },
      {
        title: 'CHECK',
        value: (r) => (r.ok ? green('checksum and golden samples are right') : red(r.problem ?? '')),
      },
    ]),
  );
  return (verdicts.every((verdict) => verdict.ok) ? 0 : 1) satisfies ExitCode;
};

/** Checksum and golden samples of every bundle (or the one named), each in a model host of its own on this machine. */
export async function verifyModels(
  folders: readonly string[],
  only: string | undefined,
  progress: (label: string, done: number, total: number) => void = () => {},
): Promise<ModelVerdict[]> {
  const { bundles, broken } = scanBundles(folders);
  const verdicts: ModelVerdict[] = broken.map(({ folder, error }) => ({
    model: '?',
    folder,
    ok: false,
    problem: error.message,
  }));
  for (const [index, bundle] of bundles.entries()) {
    const { name, version } = bundle.manifest;
    const model = `${name}@${version}`;
    if (only !== undefined && only !== name && only !== model) continue;
    progress(model, index, bundles.length);
    const problem = await bundleProblem(bundle, folders, model);
    verdicts.push({ model, folder: bundle.folder, ok: problem === null, problem });
  }
  return verdicts;
}

async function bundleProblem(
  bundle: ReturnType<typeof readBundle>,
  folders: readonly string[],
  model: string,
): Promise<string | null> {
  try {
    await verifyHash(bundle);
    if (readGolden(bundle).length === 0) return 'there are no golden samples';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return await goldenProblem(folders, model);
}

/** Why a model does not serve on this machine; null when it does. The model host checks the golden samples itself. */
async function goldenProblem(folders: readonly string[], model: string): Promise<string | null> {
  const log = createLog({ level: 'silent' });
  const inference = createInference({
    modelDirs: folders,
    clock: systemClock(),
    log,
    alarms: createAlarms(log),
    preload: [model],
  });
  try {
    await inference.start(new AbortController().signal);
    const found = inference.list().find((entry) => `${entry.name}@${entry.version}` === model);
    if (found?.state === 'serving') return null;
    return found?.reason?.message ?? 'the model host did not take it';
  } finally {
    await inference.stop();
  }
}
