import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { metricOf } from '../../benchmark/compare.ts';
import { thisMachine } from '../../benchmark/machine.ts';
import { reportPage } from '../../benchmark/page.ts';
import type { ModelResult, Report } from '../../benchmark/report.ts';
import { type BenchSettings, benchModel } from '../../benchmark/run.ts';
import { MULTI_STREAM_SAMPLES } from '../../benchmark/scenarios.ts';
import { reportHash, signReport } from '../../benchmark/signature.ts';
import { toHex } from '../../billing/formats/bytes.ts';
import { openKeystore } from '../../billing/keys/keystore.ts';
import type { Config } from '../../config/schema.ts';
import { suggest } from '../../config/suggest.ts';
import { asGatewayError, GatewayError } from '../../errors.ts';
import type { Bundle } from '../../inference/bundle.ts';
import { scanBundles } from '../../inference/registry.ts';
import { readLocalApi } from '../../security/local-api.ts';
import { createAlarms } from '../../system/alarms.ts';
import { systemClock } from '../../system/clock.ts';
import { writeFileAtomic } from '../../system/files.ts';
import { createLog } from '../../system/log.ts';
import { bundledModels, version } from '../../system/version.ts';
import type { CommandContext, ExitCode } from '../command.ts';
import { count, size } from '../ui/format.ts';
import { table } from '../ui/table.ts';
import { settingsOf } from './options.ts';

/** Measures the chosen models and writes the report and its page. */
export async function measure(context: CommandContext): Promise<ExitCode> {
  const { config } = context.config({ quiet: true, checkFiles: false });
  const bundles = chosen(scanBundles([bundledModels(), config.models.dir!]).bundles, context.positionals);
  const settings = settingsOf(context);
  const busy = readLocalApi(config.gateway.dataDir) !== undefined;
  if (busy) context.ui.note('A gateway runs on this machine and takes its part: the figures will be low.');

  const unsigned: Report = {
    format: 'aimx-bench/1',
    createdAt: new Date().toISOString(),
    gateway: version(),
    machine: thisMachine(),
    settings: {
      seconds: settings.seconds,
      seed: settings.seed,
      latencyBoundMs: settings.latencyBoundMs,
      multiStreamSamples: MULTI_STREAM_SAMPLES,
    },
    models: await results(bundles, settings, context),
  };
  const report = await signed(unsigned, config, context);
  const files = write(report, context.option('out') ?? join(config.gateway.dataDir, 'bench'));
  context.print({ ...files, report }, () => summary(report, files));
  return report.models.every(({ error }) => error === undefined) && !context.signal.aborted ? 0 : 1;
}

async function results(
  bundles: readonly Bundle[],
  settings: BenchSettings,
  context: CommandContext,
): Promise<ModelResult[]> {
  const log = createLog({ level: 'silent' });
  const progress = context.ui.progress('bench', bundles.length);
  const models: ModelResult[] = [];
  for (const [index, { folder, manifest }] of bundles.entries()) {
    if (context.signal.aborted) break;
    const parts = {
      clock: systemClock(),
      log,
      alarms: createAlarms(log),
      signal: context.signal,
      progress: (what: string, share: number) => progress.update(index + share, what),
    };
    try {
      models.push(await benchModel(folder, settings, parts));
    } catch (error) {
      const { name, version: model, sha256, runtime } = manifest;
      const { code, message } = asGatewayError(error);
      models.push({
        model: { name, version: model, sha256 },
        runtime,
        loadMs: 0,
        inputs: 'golden',
        scenarios: [],
        error: { code, message: message.slice(0, 900) },
      });
    }
  }
  progress.end();
  return models;
}

function chosen(bundles: readonly Bundle[], words: readonly string[]): Bundle[] {
  const names = bundles.map(({ manifest }) => `${manifest.name}@${manifest.version}`);
  if (words.length === 0) return [...bundles];
  return words.flatMap((word) => {
    const found = bundles.filter(({ manifest }, i) => word === manifest.name || word === names[i]);
    if (found.length > 0) return found;
    const meant = suggest(word, [...names, 'compare', 'verify']);
    throw new GatewayError('USAGE', `there is no model ${word}`, {
      received: word,
      expected: names.join(', '),
      fix: meant ? `Did you mean ${meant}?` : 'Run `aimx-gateway models list`.',
    });
  });
}

/** A report without a device key is as good to its owner, so that a missing key is a note and not an error. */
async function signed(report: Report, config: Config, context: CommandContext): Promise<Report> {
  const paths = config.billing?.chain;
  if (!paths) {
    context.ui.note('Not signed: the configuration names no device key (billing.chain.keystore).');
    return report;
  }
  try {
    return signReport(report, await openKeystore(paths));
  } catch (error) {
    const { message, fix } = asGatewayError(error);
    context.ui.note(`Not signed: ${message} ${fix}`);
    return report;
  }
}

interface Files {
  readonly json: string;
  readonly html: string;
}

function write(report: Report, out: string): Files {
  const base = join(resolve(out), `bench-${report.createdAt.slice(0, 19).replaceAll(':', '')}`);
  const files = { json: `${base}.json`, html: `${base}.html` };
  mkdirSync(resolve(out), { recursive: true });
  writeFileAtomic(files.json, `${JSON.stringify(report, null, 2)}\n`);
  writeFileAtomic(files.html, reportPage(report));
  return files;
}

function summary(report: Report, files: Files): string {
  const rows = report.models.flatMap((result) => result.scenarios.map((scenario) => ({ result, scenario })));
  const failed = report.models.filter(({ error }) => error);
  return [
    table(rows, [
      { title: 'MODEL', value: ({ result }) => `${result.model.name}@${result.model.version}` },
      {
        title: 'GOLDEN',
        value: ({ result: { accuracy } }) => (accuracy ? `${accuracy.right}/${accuracy.samples}` : '-'),
      },
      { title: 'SCENARIO', value: ({ scenario }) => scenario.scenario },
      { title: 'P50 MS', value: ({ scenario }) => scenario.latency.p50, align: 'right' },
      { title: 'P90 MS', value: ({ scenario }) => scenario.latency.p90, align: 'right' },
      { title: 'P99 MS', value: ({ scenario }) => scenario.latency.p99, align: 'right' },
      { title: 'SAMPLES/S', value: ({ scenario }) => count(Math.round(scenario.throughput)), align: 'right' },
      {
        title: 'PEAK RSS',
        value: ({ scenario }) => (scenario.peakRssBytes ? size(scenario.peakRssBytes) : null),
        align: 'right',
      },
      {
        title: 'JUDGED BY',
        value: ({ scenario }) => {
          const { name, value } = metricOf(scenario);
          return `${count(Number(value.toPrecision(4)))} ${name}`;
        },
      },
    ]),
    ...failed.map(({ model, error }) => `${model.name}@${model.version}: ${error?.code}: ${error?.message}`),
    '',
    `report ${files.json}`,
    `page   ${files.html}`,
    `hash   ${toHex(reportHash(report))}${report.signature ? `, signed by ${report.signature.device}` : ''}`,
  ].join('\n');
}
