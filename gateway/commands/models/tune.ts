import type { Config } from '../../config/schema.ts';
import { suggest } from '../../config/suggest.ts';
import { parseDuration } from '../../config/units.ts';
import { GatewayError } from '../../errors.ts';
import { bundledModels } from '../../system/version.ts';
import { type Tuned, tuneModel } from '../../tuning/index.ts';
import { findApi } from '../api.ts';
import type { CommandContext } from '../command.ts';
import { type Subcommand, theWord } from '../subcommands.ts';
import { count, instant } from '../ui/format.ts';
import { table } from '../ui/table.ts';
import { configOf, optionsOf, samplesText, trustOf } from './shared.ts';

/** Options of `models tune`. */
export const TUNE_OPTIONS = {
  from: { type: 'string' },
  since: { type: 'string' },
  device: { type: 'string' },
  epochs: { type: 'string' },
  labels: { type: 'string' },
} as const;

export const TUNE_USAGE =
  'models tune NAME[@VERSION] --from STREAM [--since 7d] [--device D] [--epochs N] [--labels FILE.csv]';

export const TUNE_HELP = `
tune fine-tunes a bundled model (vibration-condition, streaming-anomaly@1) on what the journal holds of a stream, on this
machine and in a process of the lowest priority; no reading leaves it. The later fifth is kept for validation. When that
shows a gain, a new version is installed as a shadow: it computes beside the live one until you promote it.
  --from S       the stream;  --since 7d: readings that arrived in this time (default 7d)
  --device D     of this device only;  --epochs N: at most (default 30)
  --labels FILE  what the machine's state was: from,to,label[,device] with times in ISO 8601 or epoch milliseconds`;

/** `models tune NAME --from STREAM`: a new version, fine-tuned on the gateway's own journal. */
export const tune: Subcommand = async (context, words) => {
  const model = theWord(words, TUNE_USAGE);
  const config = configOf(context);
  unsignedAllowed(config);
  const stream = streamOf(config, context.option('from'));
  const device = context.option('device');
  const labels = context.option('labels');
  const fields = fieldsOf(config, model, stream);
  const api = findApi(config.gateway.dataDir);
  const progress = context.ui.progress('tune', 100);
  const options = optionsOf(context.signal);
  try {
    const tuned = await tuneModel({
      model,
      stream,
      dataDir: config.gateway.dataDir,
      bundled: bundledModels(),
      installed: config.models.dir!,
      since: options.clock.now() - sinceOf(context.option('since') ?? '7d'),
      ...(device === undefined ? {} : { device }),
      ...(labels === undefined ? {} : { labels }),
      ...(fields === undefined ? {} : { fields }),
      ...epochsOf(context),
      ...options,
      trust: trustOf(config),
      onProgress: (share, note) => progress.update(100 * share, note),
      ...(api ? { adopt: (key: string) => adopt(api, key) } : {}),
    });
    progress.end();
    context.print(tuned, () => textOf(context, tuned));
    return 0;
  } finally {
    progress.end();
  }
};

/** Lets the running gateway find the new version and put it beside the live one. */
async function adopt(api: NonNullable<ReturnType<typeof findApi>>, key: string): Promise<void> {
  const [name, version] = key.split('@') as [string, string];
  await api.post('/api/v1/models/rescan', {});
  await api.post(
    `/api/v1/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}/shadow`,
    {},
  );
}

/** What is made here carries no signature: told before the work and not after it. */
function unsignedAllowed({ models }: Config): void {
  if (models.signatures !== 'required') return;
  throw new GatewayError(
    'MODEL_SIGNATURE',
    'a tuned version carries no signature, and models.signatures is required',
    {
      fix: 'Set models.signatures to warn while you tune, sign the new folder with `aimx-gateway models sign`, then require signatures again.',
    },
  );
}

function streamOf(config: Config, id: string | undefined): string {
  const ids = config.streams.map((stream) => stream.id);
  if (id !== undefined && ids.includes(id)) return id;
  const meant = id === undefined ? undefined : suggest(id, ids);
  throw new GatewayError('USAGE', id === undefined ? '--from is missing' : `there is no stream ${id}`, {
    ...(id === undefined ? {} : { received: id }),
    expected: ids.join(', '),
    fix: meant ? `Did you mean --from ${meant}?` : 'Name a stream of the configuration.',
  });
}

/** The columns that a pipeline of this stream gives this model, where it names them. */
function fieldsOf(config: Config, model: string, stream: string): readonly string[] | undefined {
  const [name] = model.split('@');
  return config.pipelines.find(
    (pipeline) => pipeline.from === stream && pipeline.model?.split('@')[0] === name && pipeline.fields,
  )?.fields;
}

function sinceOf(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new GatewayError('USAGE', '--since takes a duration', { received: text, expected: '90m, 24h, 7d' });
}

function epochsOf(context: CommandContext): { epochs?: number } {
  const text = context.option('epochs');
  if (text === undefined) return {};
  const epochs = Number(text);
  if (Number.isInteger(epochs) && epochs >= 1 && epochs <= 1000) return { epochs };
  throw new GatewayError('USAGE', '--epochs takes a whole number', { received: text, expected: '1 to 1000' });
}

function textOf({ ui }: CommandContext, { model, goldenSamples, report }: Tuned): string {
  const rows = [
    { figure: 'loss', before: report.loss.before, after: report.loss.after },
    ...Object.keys(report.after).map((name) => ({
      figure: name,
      before: report.before[name],
      after: report.after[name],
    })),
    ...Object.keys(report.generatedAfter).map((name) => ({
      figure: `${name}, generated samples`,
      before: report.generatedBefore[name],
      after: report.generatedAfter[name],
    })),
  ];
  return [
    `${ui.style.bold(model)} is a shadow beside the live version, made of ${report.base.model}. ${samplesText(goldenSamples)}`,
    `  ${count(report.rows)} readings of ${report.stream}, ${instant(report.from)} to ${instant(report.to)}: ${count(report.windows)} windows, ${count(report.trained)} examples, ${report.epochs} epochs`,
    '',
    table(rows, [
      { title: 'HELD OUT', value: (r) => r.figure },
      { title: 'BEFORE', value: (r) => r.before, align: 'right' },
      { title: 'AFTER', value: (r) => r.after, align: 'right' },
    ]),
    '',
    `To let it answer: aimx-gateway models promote ${model}`,
  ].join('\n');
}
