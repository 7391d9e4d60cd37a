import type { ParseArgsOptionsConfig } from 'node:util';
import type { LoadedConfig } from '../config/index.ts';
import type { CommandConfigOptions } from './load-config.ts';
import type { Ui } from './ui/ui.ts';

/** 0 done, 1 failed, 2 wrong usage or invalid configuration. */
export type ExitCode = 0 | 1 | 2;

/** Option values as node:util parseArgs gives them. */
export type OptionValues = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** What a command gets to work with. */
export interface CommandContext {
  readonly ui: Ui;
  /** Whether to print JSON for programs in place of text for people. */
  readonly json: boolean;
  /** What stands behind the name of the command, without options. */
  readonly positionals: readonly string[];
  readonly values: OptionValues;
  /** Absolute path of gateway.yaml. */
  readonly configFile: string;
  /** Reads and checks it; throws ConfigError. Warnings are printed to standard error unless `quiet`. */
  config(options?: CommandConfigOptions): LoadedConfig;
  /** Aborted by SIGINT or SIGTERM for commands that run long; never for others, which just end. */
  readonly signal: AbortSignal;
  /** Prints `data` as JSON with --json, else the text. */
  print(data: unknown, text: () => string): void;
  /** Asks the person at the terminal for a secret, or reads a line of standard input; `typed` says which it was. */
  ask(prompt: string): Promise<{ readonly text: string; readonly typed: boolean }>;
  /** The value of a text option, undefined when it was not given. */
  option(name: string): string | undefined;
  /** Whether a flag was given. */
  flag(name: string): boolean;
}

export interface Command {
  readonly name: string;
  /** One line for `--help`. */
  readonly summary: string;
  /** Lines of usage without the program name: `check [--explain] [--schema]`. */
  readonly usage: readonly string[];
  /** Paragraphs of help: options and examples. */
  readonly help?: string;
  readonly options?: ParseArgsOptionsConfig;
  /** Whether it runs until it is stopped and wants a signal in place of an immediate end. */
  readonly longRunning?: boolean;
  run(context: CommandContext): Promise<ExitCode>;
}
