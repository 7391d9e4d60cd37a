import { resolve } from 'node:path';
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { suggest } from '../config/suggest.ts';
import { GatewayError } from '../errors.ts';
import { version } from '../system/version.ts';
import type { Command, CommandContext, ExitCode, OptionValues } from './command.ts';
import { loadForCommand } from './load-config.ts';
import { COMMANDS, type CommandEntry } from './registry.ts';
import { exitCodeOf, reportError } from './report.ts';
import { withSignal } from './signals.ts';
import type { InputStream } from './ui/secret.ts';
import { createUi, type OutputStream } from './ui/ui.ts';

/** The part of `process` the command line needs. */
export interface Terminal {
  readonly stdout: OutputStream & { on?(event: 'error', listener: (error: Error) => void): unknown };
  readonly stderr: OutputStream;
  /** Absent: nobody can be asked. */
  readonly stdin?: InputStream;
  readonly env: NodeJS.ProcessEnv;
  cwd(): string;
  on?(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  off?(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
}

const COMMON: ParseArgsOptionsConfig = {
  config: { type: 'string' },
  json: { type: 'boolean' },
  debug: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
};

/** Runs one command line (without node and script) and answers its exit code. Never rejects. */
export async function runCli(
  argv: readonly string[],
  terminal: Terminal,
  commands: readonly CommandEntry[] = COMMANDS,
): Promise<ExitCode> {
  const ui = createUi(terminal.stdout, terminal.stderr, terminal.env);
  endQuietlyWhenReaderLeaves(terminal);
  const json = argv.includes('--json');
  try {
    const { name, rest } = splitName(argv);
    if (name === undefined && argv.includes('--version')) {
      ui.out(version());
      return 0;
    }
    if (name === undefined || name === 'help') {
      const topic = rest.find((word) => !word.startsWith('-'));
      if (topic === undefined) {
        ui.out(overview(commands));
        return name === undefined && !rest.includes('--help') && !rest.includes('-h') ? 2 : 0;
      }
      ui.out(helpOf(await find(topic, commands).load()));
      return 0;
    }
    const command = await find(name, commands).load();
    const { values, positionals } = parse(command, rest);
    if (values.help === true) {
      ui.out(helpOf(command));
      return 0;
    }
    return await withSignal(command, terminal, (signal) =>
      command.run(createContext({ ui, terminal, values, positionals, signal })),
    );
  } catch (error) {
    reportError(error, { ui, json, debug: argv.includes('--debug') });
    return exitCodeOf(error);
  }
}

/** `aimx-gateway status | head` closes the pipe early: that is no error of ours. */
function endQuietlyWhenReaderLeaves(terminal: Terminal): void {
  terminal.stdout.on?.('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

/** The first word is the command; options before it may only be the common ones. */
function splitName(argv: readonly string[]): { name: string | undefined; rest: string[] } {
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '--config') i++;
    else if (!word.startsWith('-')) return { name: word, rest: argv.filter((_, index) => index !== i) };
  }
  return { name: undefined, rest: [...argv] };
}

function find(name: string, commands: readonly CommandEntry[]): CommandEntry {
  const found = commands.find((command) => command.name === name);
  if (found) return found;
  const names = commands.map((command) => command.name);
  const meant = suggest(name, names);
  throw new GatewayError('USAGE', `there is no command ${JSON.stringify(name)}`, {
    received: name,
    expected: names.join(', '),
    fix: meant ? `Did you mean \`aimx-gateway ${meant}\`?` : 'Run `aimx-gateway --help`.',
  });
}

function parse(command: Command, argv: string[]): { values: OptionValues; positionals: string[] } {
  const options = { ...COMMON, ...command.options };
  try {
    return parseArgs({ args: argv, options, allowPositionals: true, strict: true });
  } catch (error) {
    const message = error instanceof Error ? error.message.split('. ')[0]! : String(error);
    const unknown = /'(--[^' ]+)/.exec(message)?.[1]?.slice(2);
    const meant = unknown === undefined ? undefined : suggest(unknown, Object.keys(options));
    throw new GatewayError('USAGE', message, {
      expected: command.usage.join(' · '),
      fix: meant ? `Did you mean --${meant}?` : `Run \`aimx-gateway ${command.name} --help\`.`,
    });
  }
}

function createContext(parts: {
  ui: CommandContext['ui'];
  terminal: Terminal;
  values: OptionValues;
  positionals: readonly string[];
  signal: AbortSignal;
}): CommandContext {
  const { ui, terminal, values, positionals, signal } = parts;
  const option = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  const json = values.json === true;
  const configFile = resolve(terminal.cwd(), option('config') ?? 'gateway.yaml');
  return {
    ui,
    json,
    positionals,
    values,
    configFile,
    signal,
    ask: (prompt) => ask(prompt, terminal),
    option,
    flag: (name) => values[name] === true,
    config: (options) => loadForCommand(configFile, ui, options),
    print(data, text) {
      ui.out(json ? JSON.stringify(data, null, 2) : text());
    },
  };
}

async function ask(prompt: string, { stdin, stderr }: Terminal): Promise<{ text: string; typed: boolean }> {
  if (!stdin) throw new GatewayError('USAGE', 'there is nobody to ask');
  const { askSecret } = await import('./ui/secret.ts');
  return { text: await askSecret(prompt, stdin, stderr), typed: stdin.isTTY === true };
}

function overview(commands: readonly CommandEntry[]): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  return [
    'aimx-gateway COMMAND [options]',
    '',
    ...commands.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`),
    '',
    'Options of every command:',
    '  --config FILE  the configuration (default ./gateway.yaml)',
    '  --json         print JSON for programs',
    '  --debug        print where an error came from',
    '  --help         more about a command',
    '',
    'Exit codes: 0 done, 1 failed, 2 wrong usage or invalid configuration.',
  ].join('\n');
}

function helpOf(command: Command): string {
  return [
    ...command.usage.map((line) => `aimx-gateway ${line}`),
    '',
    `${command.summary[0]?.toUpperCase()}${command.summary.slice(1)}.`,
    ...(command.help === undefined ? [] : ['', command.help.trim()]),
  ].join('\n');
}
