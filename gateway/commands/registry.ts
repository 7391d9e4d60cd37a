import type { Command } from './command.ts';

/** A command as `--help` knows it; the rest is loaded when it runs. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<Command>;
}

/** Every command, in the order of `--help`. One line each. */
export const COMMANDS: readonly CommandEntry[] = [
  entry(
    'check',
    'validate the configuration; --explain prints the plan',
    async () => (await import('./check.ts')).check,
  ),
];

function entry(name: string, summary: string, load: () => Promise<Command>): CommandEntry {
  return { name, summary, load };
}
