import { readFileSync } from 'node:fs';
import { compareReports } from '../benchmark/compare.ts';
import { parseReport, type Report } from '../benchmark/report.ts';
import { checkSignature, reportHash } from '../benchmark/signature.ts';
import { toHex } from '../billing/formats/bytes.ts';
import { asGatewayError, GatewayError } from '../errors.ts';
import { measure } from './bench/measure.ts';
import { wrong } from './bench/options.ts';
import { list, publish } from './bench/registry.ts';
import type { Command, CommandContext, ExitCode } from './command.ts';
import { theWord } from './subcommands.ts';
import { table } from './ui/table.ts';

/** `bench`: how fast this hardware runs its models, told honestly. */
export const bench: Command = {
  name: 'bench',
  summary: 'measure this hardware with the installed models; compare, verify, publish, list',
  usage: [
    'bench [MODEL[@VERSION] …] [--scenario S[,S]] [--seconds N] [--bound 20ms] [--rate R] [--seed N] [--out DIR]',
    'bench compare A.json B.json',
    'bench verify REPORT.json',
    'bench publish REPORT.json',
    'bench list [MODEL …] [--scenario S[,S]]',
  ],
  help: `
Runs each installed model in a model host of its own through the scenarios of MLPerf Inference: SingleStream (one sample after
the other), MultiStream (eight at once), Offline (as many as there are) and Server (arrivals at random; the highest rate found
whose 99th percentile stays within --bound, or the one given by --rate). Writes a JSON report and an HTML page beside it,
signed by the device key where the configuration has one. A gateway that runs meanwhile takes its part of the machine.

compare shows how many times better the second report is. verify checks the signature: exit code 1 when it is wrong, 2 when
there is none.

publish puts the results of a report that this device has signed into the registry on the chain of the configuration. list shows what
devices have published there, best first; MODEL is the name of an installed model, a file, or the beginning of a SHA-256.`,
  options: {
    scenario: { type: 'string' },
    seconds: { type: 'string' },
    bound: { type: 'string' },
    rate: { type: 'string' },
    seed: { type: 'string' },
    out: { type: 'string' },
  },
  longRunning: true,
  async run(context) {
    const [word, ...rest] = context.positionals;
    if (word === 'compare') return compare(context, rest);
    if (word === 'verify') return verify(context, rest);
    if (word === 'publish') return publish(context, read(theWord(rest, 'bench publish REPORT.json')));
    if (word === 'list') return list(context, rest);
    return measure(context);
  },
};

const read = (file: string): Report => {
  try {
    return parseReport(readFileSync(file, 'utf8'), file);
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError('FILE_MISSING', asGatewayError(cause).message, { received: file, cause });
  }
};

function compare(context: CommandContext, files: readonly string[]): ExitCode {
  if (files.length !== 2) throw wrong('bench compare', files.join(' '), 'bench compare A.json B.json');
  const [a, b] = [read(files[0]!), read(files[1]!)];
  const differences = compareReports(a, b);
  context.print(differences, () =>
    [
      `A  ${a.machine.board}, ${a.machine.cpu}, ${a.createdAt}`,
      `B  ${b.machine.board}, ${b.machine.cpu}, ${b.createdAt}`,
      '',
      table(differences, [
        { title: 'MODEL', value: (d) => `${d.model}${d.sameModel ? '' : ' (other file)'}` },
        { title: 'SCENARIO', value: (d) => d.scenario },
        { title: 'METRIC', value: (d) => d.metric },
        { title: 'A', value: (d) => d.a, align: 'right' },
        { title: 'B', value: (d) => d.b, align: 'right' },
        { title: 'B IS', value: (d) => `${d.better.toFixed(2)}× as good` },
      ]),
    ].join('\n'),
  );
  return 0;
}

function verify(context: CommandContext, words: readonly string[]): ExitCode {
  const report = read(theWord(words, 'bench verify REPORT.json'));
  const state = checkSignature(report);
  const hash = toHex(reportHash(report));
  const device = report.signature?.device ?? null;
  const { green, red, yellow } = context.ui.style;
  const texts = {
    valid: green(`valid: signed by ${device}, hash ${hash}`),
    invalid: red(`wrong: the report is not what ${device} signed`),
    unsigned: yellow('the report is not signed'),
  };
  context.print({ state, hash, device }, () => texts[state]);
  return ({ valid: 0, invalid: 1, unsigned: 2 } as const)[state];
}
