import { ConfigError, issueText } from '../config/index.ts';
import type { Config } from '../config/schema.ts';
import { asGatewayError } from '../errors.ts';
import { readLocalApi } from '../security/local-api.ts';
import { bundledModels } from '../system/version.ts';
import { findApi } from './api.ts';
import type { Command, CommandContext } from './command.ts';
import { bad, type Finding, ok, warn } from './doctor/finding.ts';
import { flowFindings } from './doctor/flows.ts';
import { machineFindings } from './doctor/machine.ts';
import { portFindings } from './doctor/ports.ts';
import { reachFindings } from './doctor/reach.ts';
import { type RuntimeProblem, runtimeFindings } from './doctor/runtimes.ts';
import { installedModels } from './installed-models.ts';
import type { Style } from './ui/style.ts';

/** `doctor`: what is wrong and the command that mends it, with the gateway running or not. */
export const doctor: Command = {
  name: 'doctor',
  summary: 'what is wrong, and the command that mends it',
  usage: ['doctor [--config FILE] [--json]'],
  help: `
Looks at the configuration, ports, clock, disk, database, models, chain, uplinks and runtimes. Changes nothing. Exit code 1 when
something must be mended.`,
  async run(context) {
    const findings: Finding[] = [];
    const { config, finding } = await configuration(context);
    findings.push(finding);
    let idle: RuntimeProblem | undefined;
    if (config) findings.push(...(await everything(config, context, (problem) => (idle ??= problem))));
    findings.push(...(await runtimeFindings(config, idle)));
    const failed = findings.some(({ state }) => state === 'bad');
    context.print({ ok: !failed, findings }, () => findingsText(findings, context.ui.style));
    return failed ? 1 : 0;
  },
};

async function configuration(
  context: CommandContext,
): Promise<{ config: Config | undefined; finding: Finding }> {
  const again = `aimx-gateway check --config ${context.configFile}`;
  try {
    const { models } = await installedModels(context.configFile);
    const { config, warnings } = context.config({ quiet: true, ...(models && { models }) });
    const text = `${context.configFile} is valid`;
    const finding =
      warnings.length === 0
        ? ok('configuration', text)
        : warn('configuration', `${text}, with warnings`, again);
    return { config, finding };
  } catch (error) {
    const { message, fix } = asGatewayError(error);
    const first = error instanceof ConfigError ? error.issues[0] : undefined;
    const finding = bad(
      'configuration',
      first ? issueText(first).split('\n')[0]! : message,
      first ? again : fix,
    );
    return { config: undefined, finding };
  }
}

async function everything(
  config: Config,
  context: CommandContext,
  idle: (problem: RuntimeProblem) => void,
): Promise<Finding[]> {
  const local = readLocalApi(config.gateway.dataDir);
  const reach = reachFindings(config);
  return [
    await running(config, context),
    ...(await portFindings(config, local?.pid)),
    ...(await machineFindings(config, local !== undefined)),
    ...(await modelFindings(config, context, idle)),
    ...flowFindings(config),
    ...(await reach),
  ];
}

async function running(config: Config, context: CommandContext): Promise<Finding> {
  const api = findApi(config.gateway.dataDir);
  if (!api) return warn('gateway', 'not running', `aimx-gateway start --config ${context.configFile}`);
  try {
    const { ready, reasons } = (await api.get('/health/ready')) as { ready: boolean; reasons: string[] };
    return ready
      ? ok('gateway', `runs at ${api.url}`)
      : warn('gateway', reasons.join('; '), 'aimx-gateway status');
  } catch (error) {
    const { message, fix } = asGatewayError(error);
    return bad('gateway', message, fix);
  }
}

/** @param idle called with what is wrong when it is not a bundle but onnxruntime's providers that do not start */
async function modelFindings(
  config: Config,
  context: CommandContext,
  idle: (problem: RuntimeProblem) => void,
): Promise<Finding[]> {
  const [{ verifyModels }, { trustOf }] = await Promise.all([
    import('./models/verify.ts'),
    import('./models/shared.ts'),
  ]);
  const progress = context.ui.progress('checking models', 100);
  const verdicts = await verifyModels(
    [bundledModels(), config.models.dir!],
    { signal: context.signal, trust: trustOf(config), runtimes: config.models },
    (model, share) => progress.update(100 * share, model),
  );
  progress.end();
  return verdicts.map(({ model, folder, samples, problem, fix, runtime }) => {
    if (problem === null) return ok(`model ${model}`, `checksum and ${samples} golden samples are right`);
    const again = `then: aimx-gateway models verify ${model}`;
    if (!runtime || fix === null) return bad(`model ${model}`, problem, `put ${folder} right, ${again}`);
    if (problem.includes('onnxruntime')) idle({ problem, fix });
    return bad(`model ${model}`, problem, fix);
  });
}

function findingsText(findings: readonly Finding[], style: Style): string {
  const marks = {
    ok: style.green('ok  '),
    warn: style.yellow('warn'),
    bad: style.red('bad '),
    skip: style.dim('-   '),
  };
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .flatMap(({ check, state, message, fix }) => [
      `${marks[state]}  ${check.padEnd(width)}  ${message}`,
      ...(fix === null ? [] : [`${' '.repeat(width + 8)}→ ${fix}`]),
    ])
    .join('\n');
}
