import { GatewayError } from '../errors.ts';
import { Identities } from '../security/identities.ts';
import { type PersonRole, personRole } from '../security/identity-file.ts';
import type { Command, CommandContext } from './command.ts';
import { runSubcommand, type Subcommand, theWord } from './subcommands.ts';
import { instant } from './ui/format.ts';
import { table } from './ui/table.ts';

/** `tokens add|list|revoke`: long-lived bearer tokens, for programs that cannot log in. */
export const tokens: Command = {
  name: 'tokens',
  summary: 'long-lived tokens of the HTTP API: add, list, revoke',
  usage: ['tokens add NAME [--role viewer|admin]', 'tokens list', 'tokens revoke NAME'],
  help: `
For programs that read or change this gateway over HTTP, such as Prometheus. A viewer (the default) may only read. The token
is shown once; only its hash is kept. Changes take effect on a running gateway within a second.`,
  options: { role: { type: 'string' } },
  run: (context) => runSubcommand('tokens', context, { add, list, revoke }),
};

const identitiesOf = (context: CommandContext): Identities =>
  new Identities(context.config({ quiet: true, checkFiles: false }).config.gateway.dataDir);

const add: Subcommand = async (context, words) => {
  const name = theWord(words, 'tokens add NAME');
  const role = roleOf(context.option('role'));
  const token = identitiesOf(context).addToken(name, role, Date.now());
  const { http, host } = context.config({ quiet: true, checkFiles: false }).config.listen;
  const address = `${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${http.port}`;
  context.print({ name, role, token }, () =>
    [
      `token ${context.ui.style.bold(name)} (${role}) added, shown only now:`,
      '',
      `  ${token}`,
      '',
      context.ui.style.dim(`curl -H 'Authorization: Bearer ${token}' http://${address}/metrics`),
    ].join('\n'),
  );
  return 0;
};

function roleOf(text: string | undefined): PersonRole {
  const role = personRole.safeParse(text ?? 'viewer');
  if (role.success) return role.data;
  throw new GatewayError('USAGE', 'there is no such role', {
    received: text,
    expected: personRole.options.join(', '),
  });
}

const list: Subcommand = async (context) => {
  const rows = identitiesOf(context)
    .tokens()
    .map(({ name, role, createdAt }) => ({ name, role, createdAt }));
  context.print(rows, () =>
    table(rows, [
      { title: 'TOKEN', value: (r) => r.name },
      { title: 'ROLE', value: (r) => r.role },
      { title: 'ADDED', value: (r) => instant(r.createdAt) },
    ]),
  );
  return 0;
};

const revoke: Subcommand = async (context, words) => {
  const name = theWord(words, 'tokens revoke NAME');
  identitiesOf(context).revokeToken(name);
  context.print({ name, revoked: true }, () => `token ${name} revoked`);
  return 0;
};
