import type { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { FlowVault } from '../flows/vault.ts';
import type { flowsView, snapshotContentView, snapshotView } from '../http/api/schemas/flows.ts';
import { systemClock } from '../system/clock.ts';
import { createLog } from '../system/log.ts';
import { type ApiClient, findApi, requireApi } from './api.ts';
import type { Command, CommandContext } from './command.ts';
import { runSubcommand, type Subcommand, theWord } from './subcommands.ts';
import { count, instant, size } from './ui/format.ts';
import { table } from './ui/table.ts';

type Snapshot = z.output<typeof snapshotView>;
type Content = z.output<typeof snapshotContentView>;

/** `flows status|list|show|restore|restart`: what was deployed in Node-RED, and the way back. */
export const flows: Command = {
  name: 'flows',
  summary: 'Node-RED flows: status, list, show, restore, restart',
  usage: ['flows status', 'flows list', 'flows show ID', 'flows restore ID', 'flows restart'],
  help: `
Every deploy is kept with its author and time. \`show\` prints the flows of one, as the editor imports them; \`restore\` runs
them again. Flows that keep crashing are replaced by the last good ones without being asked: \`list\` says which, and why.
\`list\`, \`show\` and \`restore\` also work while the gateway is stopped.`,
  run: (context) => runSubcommand('flows', context, { status, list, show, restore, restart }),
};

const dataDirOf = (context: CommandContext): string =>
  context.config({ quiet: true, checkFiles: false }).config.gateway.dataDir;

async function vaultOf(context: CommandContext): Promise<FlowVault> {
  const { config } = context.config({ quiet: true, checkFiles: false });
  const vault = new FlowVault({
    dataDir: config.gateway.dataDir,
    limits: config.flows.snapshots,
    clock: systemClock({ value: 0 }),
    log: createLog({ level: 'warn' }),
  });
  await vault.open();
  return vault;
}

const status: Subcommand = async (context) =>
  printStatus(context, await requireApi(dataDirOf(context)).get('/api/v1/flows'));

function printStatus(context: CommandContext, answer: unknown): 0 {
  const now = answer as z.output<typeof flowsView>;
  context.print(now, () =>
    [
      `flows     ${now.state}${now.version === null ? '' : ` (Node-RED ${now.version})`}`,
      `snapshot  ${now.snapshot ?? 'none yet'}`,
      `restarts  ${count(now.restarts)}`,
      ...(now.lastEnd === null ? [] : [`last end  ${now.lastEnd}`]),
    ].join('\n'),
  );
  return 0;
}

const list: Subcommand = async (context) => {
  const api = findApi(dataDirOf(context));
  const rows = api
    ? ((await api.get('/api/v1/flows/snapshots')) as Snapshot[])
    : newestFirst(await vaultOf(context));
  context.print(rows, () =>
    table(rows, [
      { title: 'ID', value: (r) => `${r.id}${r.current ? ' *' : ''}` },
      { title: 'DEPLOYED', value: (r) => instant(r.at) },
      { title: 'BY', value: (r) => r.author },
      { title: 'NODES', value: (r) => count(r.nodes), align: 'right' },
      { title: 'SIZE', value: (r) => size(r.bytes), align: 'right' },
      { title: 'GOOD', value: (r) => (r.good === null ? null : instant(r.good)) },
      { title: 'FAILED', value: (r) => r.failed },
    ]),
  );
  return 0;
};

function newestFirst({ snapshots }: FlowVault): Snapshot[] {
  const current = snapshots.current?.id;
  return snapshots
    .list()
    .map((one) => ({ ...one, current: one.id === current }))
    .reverse();
}

const show: Subcommand = async (context, words) => {
  const id = idOf(words, 'flows show ID');
  const api = findApi(dataDirOf(context));
  const found = api
    ? ((await api.get(`/api/v1/flows/snapshots/${id}`)) as Content)
    : await (await vaultOf(context)).snapshots.read(id);
  context.print(found, () => JSON.stringify(found.flows, null, 2));
  return 0;
};

const restore: Subcommand = async (context, words) => {
  const id = idOf(words, 'flows restore ID');
  const api = findApi(dataDirOf(context));
  if (api) await api.post(`/api/v1/flows/snapshots/${id}/restore`, {});
  else await (await vaultOf(context)).restore(id);
  context.print({ restored: id }, () => `the flows of snapshot ${id} are the present ones`);
  return 0;
};

const restart: Subcommand = async (context) => {
  const api: ApiClient = requireApi(dataDirOf(context));
  return printStatus(context, await api.post('/api/v1/flows/restart', {}));
};

function idOf(words: readonly string[], what: string): number {
  const word = theWord(words, what);
  const id = Number(word);
  if (Number.isSafeInteger(id) && id > 0) return id;
  throw new GatewayError('USAGE', 'snapshots have numbers', { received: word, expected: what });
}
