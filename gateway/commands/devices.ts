import { readFileSync } from 'node:fs';
import { GatewayError } from '../errors.ts';
import type { DeviceView } from '../http/views.ts';
import { Identities } from '../security/identities.ts';
import { type DeviceRole, deviceRole } from '../security/identity-file.ts';
import { devicesFromCsv } from '../security/import.ts';
import { findApi } from './api.ts';
import type { Command, CommandContext } from './command.ts';
import { runSubcommand, type Subcommand, theWord } from './subcommands.ts';
import { count, instant } from './ui/format.ts';
import type { Progress } from './ui/progress.ts';
import { table } from './ui/table.ts';

/** `devices add|list|revoke|import`: identities of devices and their secrets. */
export const devices: Command = {
  name: 'devices',
  summary: 'identities of devices: add, list, revoke, import',
  usage: [
    'devices add NAME [--role device|integrator]',
    'devices list',
    'devices revoke NAME',
    'devices import FILE.csv',
  ],
  help: `
A device publishes its own readings; an integrator (Node-RED, a historian) has the local bus. The secret is the MQTT
password; it is shown once. The CSV begins with the line name,password,role; rows without password get a random one.
Changes take effect on a running gateway within a second: a revoked device is disconnected.`,
  options: { role: { type: 'string' } },
  run: (context) => runSubcommand('devices', context, { add, list, revoke, import: importFile }),
};

const dataDirOf = (context: CommandContext): string =>
  context.config({ quiet: true, checkFiles: false }).config.gateway.dataDir;

const add: Subcommand = async (context, words) => {
  const name = theWord(words, 'devices add NAME');
  const role = roleOf(context.option('role'));
  const dataDir = dataDirOf(context);
  const api = findApi(dataDir);
  const answer = api
    ? ((await api.post('/api/v1/devices', { name, role })) as { secret: string })
    : { secret: new Identities(dataDir).addDevice(name, role, Date.now()) };
  context.print({ name, role, secret: answer.secret }, () =>
    [
      `${role} ${context.ui.style.bold(name)} added. Its secret, shown only now:`,
      '',
      `  ${answer.secret}`,
      '',
      context.ui.style.dim(
        `mosquitto_pub -u '${name}' -P '${answer.secret}' -t aimx/s/STREAM/${name} -m 21.5 -q 1`,
      ),
    ].join('\n'),
  );
  return 0;
};

function roleOf(text: string | undefined): DeviceRole {
  const role = deviceRole.safeParse(text ?? 'device');
  if (role.success) return role.data;
  throw new GatewayError('USAGE', 'there is no such role', {
    received: text,
    expected: deviceRole.options.join(', '),
  });
}

const list: Subcommand = async (context) => {
  const dataDir = dataDirOf(context);
  const api = findApi(dataDir);
  if (api) {
    const rows = (await api.get('/api/v1/devices?limit=1000')) as DeviceView[];
    const seen = (row: DeviceView): number => Math.max(0, ...row.streams.map((s) => s.lastArrival));
    context.print(rows, () =>
      table(rows, [
        { title: 'DEVICE', value: (r) => r.name },
        { title: 'ROLE', value: (r) => r.role },
        { title: 'STREAMS', value: (r) => r.streams.map((s) => s.stream).join(',') || null },
        {
          title: 'READINGS',
          value: (r) => count(r.streams.reduce((sum, s) => sum + s.readings, 0)),
          align: 'right',
        },
        { title: 'LAST', value: (r) => (seen(r) > 0 ? instant(seen(r)) : null) },
      ]),
    );
    return 0;
  }
  const rows = new Identities(dataDir)
    .devices()
    .map(({ name, role, createdAt }) => ({ name, role, createdAt }));
  context.print(rows, () =>
    table(rows, [
      { title: 'DEVICE', value: (r) => r.name },
      { title: 'ROLE', value: (r) => r.role },
      { title: 'ADDED', value: (r) => instant(r.createdAt) },
    ]),
  );
  return 0;
};

const revoke: Subcommand = async (context, words) => {
  const name = theWord(words, 'devices revoke NAME');
  const dataDir = dataDirOf(context);
  const api = findApi(dataDir);
  if (api) await api.delete(`/api/v1/devices/${encodeURIComponent(name)}`);
  else new Identities(dataDir).revokeDevice(name);
  context.print({ name, revoked: true }, () => `${name} revoked`);
  return 0;
};

const importFile: Subcommand = async (context, words) => {
  const file = theWord(words, 'devices import FILE.csv');
  const dataDir = dataDirOf(context);
  let progress: Progress | undefined;
  const made = await devicesFromCsv(readText(file), Date.now(), (done, total) => {
    progress ??= context.ui.progress('import', total);
    progress.update(done);
  });
  progress?.end();
  new Identities(dataDir).addDevices(made.map(({ identity }) => identity));
  const shown = made.map(({ identity, secret }) => ({
    name: identity.name,
    role: identity.role,
    secret: secret ?? null,
  }));
  context.print({ imported: shown }, () =>
    [
      `${count(made.length)} devices imported`,
      ...shown.filter((d) => d.secret !== null).map((d) => `${d.name},${d.secret}`),
    ].join('\n'),
  );
  return 0;
};

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new GatewayError('FILE_MISSING', `cannot read ${file}`, {
      received: (error as NodeJS.ErrnoException).code,
      cause: error,
    });
  }
}
