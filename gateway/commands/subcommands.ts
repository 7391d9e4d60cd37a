import { suggest } from '../config/suggest.ts';
import { GatewayError } from '../errors.ts';
import type { CommandContext, ExitCode } from './command.ts';

/** What stands behind a command's name: `devices add`. Gets the words that follow. */
export type Subcommand = (context: CommandContext, words: readonly string[]) => Promise<ExitCode>;

/** @throws GatewayError USAGE when the word is none of the subcommands */
export async function runSubcommand(
  command: string,
  context: CommandContext,
  subcommands: Readonly<Record<string, Subcommand>>,
): Promise<ExitCode> {
  const [word, ...rest] = context.positionals;
  const names = Object.keys(subcommands);
  const found =
    word === undefined ? undefined : Object.hasOwn(subcommands, word) ? subcommands[word] : undefined;
  if (found) return await found(context, rest);
  const meant = word === undefined ? undefined : suggest(word, names);
  throw new GatewayError(
    'USAGE',
    word === undefined ? 'something is missing' : `there is no ${command} ${word}`,
    {
      ...(word === undefined ? {} : { received: word }),
      expected: names.map((name) => `${command} ${name}`).join(', '),
      fix: meant
        ? `Did you mean \`aimx-gateway ${command} ${meant}\`?`
        : `Run \`aimx-gateway ${command} --help\`.`,
    },
  );
}

/** The one word a subcommand needs. */
export function theWord(words: readonly string[], what: string): string {
  if (words.length === 1) return words[0]!;
  throw new GatewayError('USAGE', words.length === 0 ? `${what} is missing` : 'too many words', {
    received: words.join(' '),
    expected: what,
  });
}
