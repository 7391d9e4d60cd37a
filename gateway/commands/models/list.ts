import type { Config } from '../../config/schema.ts';
import { asGatewayError } from '../../errors.ts';
import type { ModelView } from '../../http/index.ts';
import type { Bundle } from '../../inference/bundle.ts';
import { LifeFile } from '../../inference/life/file.ts';
import { highestFirst, inState } from '../../inference/life/record.ts';
import { scanBundles } from '../../inference/registry.ts';
import type { Signature } from '../../inference/signing/trust.ts';
import { findApi } from '../api.ts';
import type { CommandContext } from '../command.ts';
import { type Subcommand, theWord } from '../subcommands.ts';
import { instant, size } from '../ui/format.ts';
import { table } from '../ui/table.ts';
import { configOf, foldersOf, nameOf, noSuchModel, trustOf } from './shared.ts';

/** What a version is there for: from the running gateway, else from what was kept on disk. */
interface LifeRow {
  readonly life: string;
  readonly share: number | null;
  readonly note: string | null;
  readonly since: number | null;
  readonly trial: ModelView['trial'];
  /** Whether it is in memory; null when no gateway runs. */
  readonly memory: string | null;
}

export const list: Subcommand = async (context) => {
  const config = configOf(context);
  const { bundles, broken } = scanBundles(foldersOf(config));
  const lifeOf = await lives(config, bundles);
  const rows = bundles.map(({ folder, manifest }) => ({
    name: manifest.name,
    version: manifest.version,
    ...lifeOf(nameOf(manifest)),
    runtime: manifest.runtime,
    features: manifest.features,
    columns: manifest.columns ?? null,
    rows: manifest.rows ?? null,
    intendedUse: manifest.card.intendedUse,
    folder,
  }));
  const failed = broken.map(({ folder, error }) => ({ folder, error: error.toJSON() }));
  context.print({ models: rows, broken: failed }, () =>
    [
      table(rows, [
        { title: 'MODEL', value: (r) => `${r.name}@${r.version}` },
        { title: 'STATE', value: (r) => stateText(r) },
        { title: 'RUNTIME', value: (r) => r.runtime },
        { title: 'COLUMNS', value: (r) => columnsText(r) },
        { title: 'ROWS', value: (r) => r.rows ?? 'any', align: 'right' },
        { title: 'FOR', value: (r) => r.intendedUse.split('\n')[0]?.slice(0, 60) },
      ]),
      ...rows.flatMap((r) => (r.note ? [`${r.name}@${r.version} was taken back: ${r.note}`] : [])),
      ...broken.map(({ folder, error }) => context.ui.style.red(`${folder}: ${error.message}`)),
    ].join('\n'),
  );
  return broken.length === 0 ? 0 : 1;
};

const columnsText = ({
  features,
  columns,
}: Pick<Bundle['manifest'], 'features'> & { columns: Bundle['manifest']['columns'] | null }): string =>
  columns ? `${columns.min} to ${columns.max}` : features.join(',') || 'any one';

export const show: Subcommand = async (context, words) => {
  const only = theWord(words, 'models show NAME[@VERSION]');
  const config = configOf(context);
  const { bundles } = scanBundles(foldersOf(config));
  const lifeOf = await lives(config, bundles);
  const found = bundles.filter(({ manifest }) => only === manifest.name || only === nameOf(manifest));
  if (found.length === 0) throw noSuchModel(only, foldersOf(config));
  const rows: Details[] = [];
  for (const bundle of found) {
    const { manifest, folder } = bundle;
    const { name, version, sha256, runtime, inputs, outputs, card, limits, priceClass } = manifest;
    const life = lifeOf(nameOf(manifest));
    const signature = await signatureOf(config, bundle);
    rows.push({
      name,
      version,
      ...life,
      sha256,
      runtime,
      signature,
      inputs,
      outputs,
      limits,
      priceClass,
      card,
      folder,
    });
  }
  context.print(rows, () => rows.map((row) => details(row, context)).join('\n\n'));
  return 0;
};

async function signatureOf(
  config: Config,
  bundle: Bundle,
): Promise<Signature | { state: 'wrong'; reason: string }> {
  try {
    return await trustOf(config).check(bundle);
  } catch (error) {
    return { state: 'wrong', reason: asGatewayError(error).message };
  }
}

interface Details extends LifeRow {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  readonly runtime: string;
  readonly priceClass: string;
  readonly signature: Signature | { readonly state: 'wrong'; readonly reason: string };
  readonly inputs: readonly { name: string; datatype: string; shape: readonly number[] }[];
  readonly outputs: readonly { name: string; datatype: string; shape: readonly number[] }[];
  readonly limits: { readonly maxBatch: number; readonly maxTensorBytes: number };
  readonly card: {
    readonly intendedUse: string;
    readonly limits: string;
    readonly licence: string;
    readonly source: string;
  };
  readonly folder: string;
}

function details(row: Details, { ui }: CommandContext): string {
  const { signature, trial, card } = row;
  const lines: [string, string][] = [
    ['state', stateText(row) + (row.since ? ` since ${instant(row.since)}` : '')],
    ...(row.note ? [['taken back', row.note] as [string, string]] : []),
    ...(trial ? [['trial', trialText(trial)] as [string, string]] : []),
    ['sha256', row.sha256],
    [
      'signature',
      'reason' in signature
        ? `${signature.state}: ${signature.reason}`
        : `${signature.form}, by ${signature.key}`,
    ],
    ...row.inputs.map((tensor): [string, string] => ['input', tensorText(tensor)]),
    ...row.outputs.map((tensor): [string, string] => ['output', tensorText(tensor)]),
    ['limits', `batch ${row.limits.maxBatch}, tensors ${size(row.limits.maxTensorBytes)}`],
    ['for', card.intendedUse],
    ['not for', card.limits],
    ['licence', `${card.licence}; ${card.source}`],
    ['folder', row.folder],
  ];
  const width = Math.max(...lines.map(([title]) => title.length));
  return [
    ui.style.bold(`${row.name}@${row.version}`),
    ...lines.map(
      ([title, text]) => `  ${ui.style.dim(title.padEnd(width))}  ${text.trim().replaceAll('\n', ' ')}`,
    ),
  ].join('\n');
}

export const tensorText = (tensor: { name: string; datatype: string; shape: readonly number[] }): string =>
  `${tensor.name}: ${tensor.datatype} [${tensor.shape.map((length) => (length < 0 ? 'any' : length)).join(', ')}]`;

const stateText = ({ life, share, memory }: LifeRow): string =>
  life +
  (share === null ? '' : ` ${Number((100 * share).toFixed(2))} %`) +
  (memory === 'refused' ? ', refused' : '');

/** How a trial goes, in a line. */
export const trialText = (trial: NonNullable<ModelView['trial']>): string =>
  [
    `${trial.requests} calls, ${trial.errors} failed`,
    ...(trial.compared > 0
      ? [
          `${trial.agreed} of ${trial.compared} compared agree`,
          `largest difference ${trial.maxDifference.toPrecision(3)}`,
        ]
      : []),
    `${trial.computeUs} µs an answer, live ${trial.liveComputeUs} µs`,
    ...(trial.skipped > 0 ? [`${trial.skipped} left out`] : []),
  ].join('; ');

/** The states of versions, from the gateway that runs on this data, else from its folder. */
async function lives(config: Config, bundles: readonly Bundle[]): Promise<(key: string) => LifeRow> {
  const running = (await findApi(config.gateway.dataDir)?.get('/api/v1/models')) as
    | readonly ModelView[]
    | undefined;
  if (running) {
    const views = new Map(running.map((view) => [nameOf(view), view]));
    return (key) => {
      const view = views.get(key);
      if (!view) return row('new');
      const { life, share, note, since, trial, state: memory } = view;
      return { life, share, note, since, trial, memory };
    };
  }
  const { models } = new LifeFile(config.models.dir).read();
  return (key) => {
    const [name, version] = key.split('@') as [string, string];
    const entry = models[name]?.[version];
    if (entry) return row(entry.state, entry);
    const [best] = highestFirst(
      bundles.flatMap(({ manifest }) => (manifest.name === name ? [manifest.version] : [])),
    );
    return row(inState(models[name] ?? {}, 'live') === undefined && version === best ? 'live' : 'new');
  };
}

const row = (
  life: string,
  entry?: { share?: number | undefined; note?: string | undefined; since: number },
): LifeRow => ({
  life,
  share: entry?.share ?? null,
  note: entry?.note ?? null,
  since: entry?.since ?? null,
  trial: null,
  memory: null,
});
