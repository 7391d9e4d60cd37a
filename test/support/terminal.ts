import { stripVTControlCharacters } from 'node:util';
import type { Terminal } from '../../gateway/commands/cli.ts';

/** A terminal that keeps what is written to it. */
export function recordingTerminal(
  cwd: string,
  env: NodeJS.ProcessEnv = { NO_COLOR: '1' },
): Terminal & { out(): string; err(): string } {
  const out: string[] = [];
  const err: string[] = [];
  return {
    stdout: { isTTY: false, write: (text) => out.push(text) },
    stderr: { isTTY: false, write: (text) => err.push(text) },
    env,
    cwd: () => cwd,
    out: () => stripVTControlCharacters(out.join('')),
    err: () => stripVTControlCharacters(err.join('')),
  };
}
