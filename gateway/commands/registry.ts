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
  entry('start', 'run the gateway', async () => (await import('./start.ts')).start),
  entry(
    'demo',
    'run everything on this machine: gateway, simulated home and plant, upstream and chain',
    async () => (await import('./demo.ts')).demo,
  ),
];

function entry(name: string, summary: string, load: () => Promise<Command>): CommandEntry {
  return { name, summary, load };
}
