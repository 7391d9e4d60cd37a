import { join } from 'node:path';
import type { Config } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import { createInference, type ModelLife } from '../../inference/index.ts';
import { createAlarms } from '../../system/alarms.ts';
import { type ApiClient, findApi } from '../api.ts';
import type { CommandContext } from '../command.ts';
import { type Subcommand, theWord } from '../subcommands.ts';
import { table } from '../ui/table.ts';
import { configOf, foldersOf, optionsOf, trustOf } from './shared.ts';

/** A version of a model after a change. */
interface Row {
  readonly name: string;
  readonly version: string;
  readonly life: string;
  readonly share: number | null;
  readonly note: string | null;
}

/** The same change, on the running gateway or on its folder. */
interface Change {
  /** Method, path below `/api/v1/models` and body. */
  readonly request: readonly ['POST' | 'DELETE', string, object];
  offline(life: ModelLife): Promise<void> | void;
}

export const promote = versionCommand('promote', ({ name, version }, context) => {
  const force = context.flag('force');
  return {
    request: ['POST', `${name}/versions/${version}/promote`, { force }],
    offline: (life) => life.promote(`${name}@${version}`, force),
  };
});

export const shadow = versionCommand('shadow', ({ name, version }) => ({
  request: ['POST', `${name}/versions/${version}/shadow`, {}],
  offline: (life) => life.shadow(`${name}@${version}`),
}));

export const canary = versionCommand('canary', ({ name, version }, context) => {
  const share = shareOf(context.option('share') ?? '10%');
  return {
    request: ['POST', `${name}/versions/${version}/canary`, { share }],
    offline: (life) => life.canary(`${name}@${version}`, share),
  };
});

export const stage = versionCommand('stage', ({ name, version }) => ({
  request: ['POST', `${name}/versions/${version}/stage`, {}],
  offline: (life) => life.stage(`${name}@${version}`),
}));

export const remove = versionCommand('remove', ({ name, version }) => ({
  request: ['DELETE', `${name}/versions/${version}`, {}],
  offline: (life) => life.remove(`${name}@${version}`),
}));

export const rollback: Subcommand = (context, words) => {
  const name = theWord(words, 'models rollback NAME').split('@')[0]!;
  return perform(context, name, {
    request: ['POST', `${encodeURIComponent(name)}/rollback`, {}],
    offline: (life) => life.rollback(name),
  });
};

function versionCommand(
  verb: string,
  change: (key: { name: string; version: string }, context: CommandContext) => Change,
): Subcommand {
  return (context, words) => {
    const word = theWord(words, `models ${verb} NAME@VERSION`);
    const [name, version, more] = word.split('@');
    if (!name || !version || more !== undefined)
      throw new GatewayError('USAGE', `models ${verb} needs a version`, {
        received: word,
        expected: `${name || 'NAME'}@VERSION`,
        fix: 'See `aimx-gateway models list` for the versions.',
      });
    return perform(
      context,
      name,
      change({ name: encodeURIComponent(name), version: encodeURIComponent(version) }, context),
    );
  };
}

/** `10%` or `0.1` as 0.1. */
function shareOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(text);
  const share = match ? Number(match[1]) / (match[2] ? 100 : 1) : Number.NaN;
  if (share > 0 && share <= 1) return share;
  throw new GatewayError('USAGE', '--share must be above 0 and at most 100%', {
    received: text,
    expected: 'such as 10% or 0.1',
  });
}

async function perform(context: CommandContext, name: string, change: Change): Promise<0> {
  const config = configOf(context);
  const api = findApi(config.gateway.dataDir);
  const rows = api ? await online(api, change) : await offline(context, config, name, change);
  context.print(rows, () =>
    table(rows, [
      { title: 'MODEL', value: (r) => `${r.name}@${r.version}` },
      {
        title: 'STATE',
        value: (r) => r.life + (r.share === null ? '' : ` ${Number((100 * r.share).toFixed(2))} %`),
      },
      { title: 'NOTE', value: (r) => r.note ?? '' },
    ]),
  );
  return 0;
}

async function online(api: ApiClient, { request: [method, path, body] }: Change): Promise<readonly Row[]> {
  const url = `/api/v1/models/${path}`;
  return (method === 'DELETE' ? await api.delete(url) : await api.post(url, body)) as readonly Row[];
}

/** No gateway runs: the version is checked here, and the next start goes by what is kept. */
async function offline(
  context: CommandContext,
  config: Config,
  name: string,
  change: Change,
): Promise<readonly Row[]> {
  const { clock, log } = optionsOf(context.signal);
  const inference = createInference({
    modelDirs: foldersOf(config),
    installedDir: config.models.dir ?? join(config.gateway.dataDir, 'models'),
    // What was added meanwhile is looked at by the gateway; this command changes one thing.
    newVersion: 'staged',
    trust: trustOf(config),
    maxHostRss: config.models.maxBytes,
    clock,
    log,
    alarms: createAlarms(log),
  });
  try {
    await inference.start(context.signal);
    await change.offline(inference.life);
    return inference
      .list()
      .filter((model) => model.name === name)
      .map(({ version, life }) => ({
        name,
        version,
        life: life.state,
        share: life.share ?? null,
        note: life.note ?? null,
      }));
  } finally {
    await inference.stop();
  }
}
