import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createBenchmarks } from '../../../adapters/registry.ts';
import { lessIsBetter, registryReport, signRegistryReport } from '../../benchmark/registry.ts';
import type { Report } from '../../benchmark/report.ts';
import { checkSignature } from '../../benchmark/signature.ts';
import { openKeystore } from '../../billing/keys/keystore.ts';
import type { Config } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import { scanBundles } from '../../inference/registry.ts';
import type { BenchmarkResult } from '../../ports/benchmarks.ts';
import { bundledModels } from '../../system/version.ts';
import type { CommandContext, ExitCode } from '../command.ts';
import { answered, chainOf } from '../ledger/chain-of.ts';
import { instant } from '../ui/format.ts';
import { table } from '../ui/table.ts';
import { scenariosOf } from './options.ts';

/** `bench publish`: brings the results of a report that this device has signed to the registry. */
export async function publish(context: CommandContext, report: Report): Promise<ExitCode> {
  const chain = chainOf(context.config({ quiet: true, checkFiles: false }).config);
  const signer = await openKeystore(chain);
  const expected = `a report signed by ${signer.address}, the device key of the configuration`;
  if (checkSignature(report) !== 'valid' || report.signature?.device !== signer.address)
    throw new GatewayError('BENCH_REPORT', 'the report is not one that this device has signed', { expected });
  const rows = registryReport(report, signer.address);
  const registry = createBenchmarks(chain);
  try {
    const sent = answered(await registry.publish(rows, signRegistryReport(registry, rows, signer), signer));
    context.print({ ...sent, reportHash: rows.reportHash, results: rows.rows.length }, () =>
      [
        `${rows.rows.length} results of ${rows.board} published, report ${rows.reportHash}`,
        `in block ${sent.block}, ${sent.gasUsed} gas, transaction ${sent.transaction}`,
      ].join('\n'),
    );
    return 0;
  } finally {
    registry.close();
  }
}

/** `bench list`: what devices have published, best first within each subject. */
export async function list(context: CommandContext, words: readonly string[]): Promise<ExitCode> {
  const { config } = context.config({ quiet: true, checkFiles: false });
  const scenarios: readonly string[] = scenariosOf(context.option('scenario'));
  const names = installed(config);
  const wanted = words.map((word) => digestsOf(word, names));
  const registry = createBenchmarks(chainOf(config));
  try {
    const answer = await registry.results(
      ({ modelSha256, scenario }) =>
        scenarios.includes(scenario) &&
        (wanted.length === 0 || wanted.some((digests) => digests.some((d) => modelSha256.startsWith(d)))),
    );
    const results = ranked(answered(answer));
    const data = results.map((result) => ({ ...result, score: Number(result.score) / 1e6 }));
    context.print(
      data.map((row) => ({ ...row, model: names.get(row.modelSha256) ?? null })),
      () =>
        results.length === 0
          ? 'Nothing has been published of that.'
          : table(results, [
              { title: 'MODEL', value: (r) => names.get(r.modelSha256) ?? `${r.modelSha256.slice(0, 18)}…` },
              { title: 'RUNTIME', value: (r) => r.runtime },
              { title: 'SCENARIO', value: (r) => r.scenario },
              { title: 'SCORE', value: (r) => (Number(r.score) / 1e6).toPrecision(4), align: 'right' },
              { title: 'METRIC', value: (r) => r.metric },
              { title: 'BOARD', value: (r) => r.board },
              { title: 'DEVICE', value: (r) => r.device },
              { title: 'MEASURED', value: (r) => instant(r.measuredAt * 1000) },
            ]),
    );
    return 0;
  } finally {
    registry.close();
  }
}

/** Same subjects together, best first. */
function ranked(results: readonly BenchmarkResult[]): BenchmarkResult[] {
  const subject = (r: BenchmarkResult): string => [r.modelSha256, r.scenario, r.runtime, r.metric].join('\n');
  const better = (a: BenchmarkResult, b: BenchmarkResult): number =>
    Number(a.score - b.score) * (lessIsBetter(a.metric) ? 1 : -1);
  return results.toSorted((a, b) =>
    subject(a) === subject(b) ? better(a, b) : subject(a) < subject(b) ? -1 : 1,
  );
}

/** Digest of its model file → `name@version` of installed bundles. */
function installed(config: Config): Map<string, string> {
  const { bundles } = scanBundles([bundledModels(), config.models.dir!]);
  return new Map(bundles.map(({ manifest: m }) => [`0x${m.sha256}`, `${m.name}@${m.version}`]));
}

/** What somebody may mean by a model: an installed one, a file, or the beginning of a digest. */
function digestsOf(word: string, names: ReadonlyMap<string, string>): string[] {
  const known = [...names].filter(([, name]) => name === word || name.startsWith(`${word}@`));
  if (known.length > 0) return known.map(([digest]) => digest);
  if (existsSync(word)) return [`0x${createHash('sha256').update(readFileSync(word)).digest('hex')}`];
  if (/^(0x)?[0-9a-f]{4,64}$/i.test(word)) return [`0x${word.toLowerCase().replace(/^0x/, '')}`];
  throw new GatewayError('USAGE', 'there is no such model', {
    received: word,
    expected: [...new Set(names.values())].join(', '),
  });
}
