import { GatewayError } from '../errors.ts';
import { Identities } from '../security/identities.ts';
import { type PersonRole, personRole } from '../security/identity-file.ts';
import { choosePassword } from '../security/passwords.ts';
import type { StoredSecret } from '../security/secrets.ts';
import type { Command, CommandContext } from './command.ts';
import { runSubcommand, type Subcommand, theWord } from './subcommands.ts';
import { instant } from './ui/format.ts';
import { secretFromFile } from './ui/secret.ts';
import { table } from './ui/table.ts';

/** `people add|list|remove|password`: who may log in on the dashboard and the flow editor. */
export const people: Command = {
  name: 'people',
  summary: 'who may log in: add, list, remove, password',
  usage: [
    'people add NAME [--role viewer|admin] [--password-file FILE]',
    'people list',
    'people remove NAME',
    'people password NAME [--password-file FILE]',
  ],
  help: `
A viewer (the default) looks; an admin changes things and draws flows. The password is asked for and not shown; a program sends
it as a line on standard input, or names a file that only its owner may read. It is never an option, since every program on
a machine may read the options of every other. Only its scrypt hash is kept. Changes take effect on a running gateway
within a second: whoever is removed or has another password is logged out.`,
  options: { role: { type: 'string' }, 'password-file': { type: 'string' } },
  run: (context) => runSubcommand('people', context, { add, list, remove, password }),
};

const identitiesOf = (context: CommandContext): Identities =>
  new Identities(context.config({ quiet: true, checkFiles: false }).config.gateway.dataDir);

const add: Subcommand = async (context, words) => {
  const name = theWord(words, 'people add NAME');
  const role = roleOf(context.option('role'));
  const identities = identitiesOf(context);
  if (identities.person(name))
    throw new GatewayError('IDENTITY_EXISTS', `there is already a person ${JSON.stringify(name)}`, {
      received: name,
      fix: `Change the password with \`aimx-gateway people password ${name}\`, or choose another name.`,
    });
  identities.addPerson(name, role, await newPassword(context, name), Date.now());
  context.print({ name, role }, () => `${role} ${context.ui.style.bold(name)} added`);
  return 0;
};

const list: Subcommand = async (context) => {
  const rows = identitiesOf(context)
    .people()
    .map(({ name, role, createdAt }) => ({ name, role, createdAt }));
  context.print(rows, () =>
    table(rows, [
      { title: 'PERSON', value: (r) => r.name },
      { title: 'ROLE', value: (r) => r.role },
      { title: 'ADDED', value: (r) => instant(r.createdAt) },
    ]),
  );
  return 0;
};

const remove: Subcommand = async (context, words) => {
  const name = theWord(words, 'people remove NAME');
  identitiesOf(context).removePerson(name);
  context.print({ name, removed: true }, () => `${name} removed`);
  return 0;
};

const password: Subcommand = async (context, words) => {
  const name = theWord(words, 'people password NAME');
  const identities = identitiesOf(context);
  identities.requirePerson(name);
  identities.changePassword(name, await newPassword(context, name));
  context.print({ name, changed: true }, () => `${name} has another password; old logins have ended`);
  return 0;
};

async function newPassword(context: CommandContext, name: string): Promise<StoredSecret> {
  const file = context.option('password-file');
  if (file !== undefined) return await choosePassword(name, secretFromFile(file));
  const first = await context.ask(`Password of ${name}: `);
  const kept = await choosePassword(name, first.text);
  if (first.typed && (await context.ask('Once more: ')).text !== first.text)
    throw new GatewayError('USAGE', 'the two passwords differ, nothing was changed', {
      fix: 'Run the command again.',
    });
  return kept;
}

function roleOf(text: string | undefined): PersonRole {
  const role = personRole.safeParse(text ?? 'viewer');
  if (role.success) return role.data;
  throw new GatewayError('USAGE', 'there is no such role', {
    received: text,
    expected: personRole.options.join(', '),
  });
}
