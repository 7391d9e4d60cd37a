import type { AlarmEntry } from '../http/index.ts';
import { requireApi } from './api.ts';
import type { Command, CommandContext } from './command.ts';
import { runSubcommand, type Subcommand, theWord } from './subcommands.ts';
import { instant } from './ui/format.ts';
import { table } from './ui/table.ts';

/** `alarms list|acknowledge`: what needs a person, from the running gateway. */
export const alarms: Command = {
  name: 'alarms',
  summary: 'what needs a person: list, acknowledge',
  usage: ['alarms list [--all]', 'alarms acknowledge ID [--note TEXT]'],
  help: `
list shows alarms that are active, with --all also those that are over and still kept. acknowledge says that somebody knows: the alarm
stays until its reason is gone, or gets worse.`,
  options: { all: { type: 'boolean' }, note: { type: 'string' } },
  run: (context) => runSubcommand('alarms', context, { list, acknowledge }),
};

const apiOf = (context: CommandContext) =>
  requireApi(context.config({ quiet: true, checkFiles: false }).config.gateway.dataDir);

const list: Subcommand = async (context) => {
  const state = context.flag('all') ? 'all' : 'active';
  const rows = (await apiOf(context).get(`/api/v1/alarms?state=${state}`)) as readonly AlarmEntry[];
  context.print(rows, () => (rows.length === 0 ? 'no alarms' : alarmTable(rows)));
  return 0;
};

const acknowledge: Subcommand = async (context, words) => {
  const id = encodeURIComponent(theWord(words, 'alarms acknowledge ID'));
  const note = context.option('note');
  const row = (await apiOf(context).post(
    `/api/v1/alarms/${id}/acknowledge`,
    note === undefined ? {} : { note },
  )) as AlarmEntry;
  context.print(row, () => alarmTable([row]));
  return 0;
};

const alarmTable = (rows: readonly AlarmEntry[]): string =>
  table(rows, [
    { title: 'ALARM', value: (r) => r.id },
    { title: 'SEVERITY', value: (r) => r.severity },
    { title: 'STATE', value: (r) => r.state },
    { title: 'SINCE', value: (r) => instant(r.since) },
    { title: 'KNOWN TO', value: (r) => r.acknowledged?.by ?? '' },
    { title: 'WHAT', value: (r) => r.message },
    { title: 'FIX', value: (r) => r.fix },
  ]);
