import { ConfigError, issueText } from '../config/issues.ts';
import { asGatewayError, type GatewayError } from '../errors.ts';
import type { ExitCode } from './command.ts';
import type { Ui } from './ui/ui.ts';

/** Errors of the person at the keyboard give 2, everything else 1. */
export function exitCodeOf(error: unknown): ExitCode {
  const { code } = asGatewayError(error);
  return code === 'USAGE' || code === 'CONFIG_INVALID' || code === 'CONFIG_UNREADABLE' ? 2 : 1;
}

/** Prints an error: with --json as `{error}` on standard output, else for people on standard error. */
export function reportError(error: unknown, options: { ui: Ui; json: boolean; debug: boolean }): void {
  const { ui } = options;
  const coded = asGatewayError(error);
  if (options.json) ui.out(JSON.stringify({ error: coded.toJSON() }, null, 2));
  else ui.note(errorText(coded, ui));
  if (options.debug) ui.note(stackOf(error));
}

function errorText(error: GatewayError, ui: Ui): string {
  const { red, bold, dim } = ui.errorStyle;
  if (error instanceof ConfigError) {
    return [...error.issues.map(issueText), '', red(error.message)].join('\n');
  }
  const lines = [`${red(bold(error.code))}: ${error.message}`];
  if (error.received !== undefined) {
    const text = typeof error.received === 'string' ? error.received : JSON.stringify(error.received);
    lines.push(`${dim('  received:')} ${text}`);
  }
  if (error.expected !== undefined) lines.push(`${dim('  expected:')} ${error.expected}`);
  lines.push(`${dim('  fix:     ')} ${error.fix}`);
  return lines.join('\n');
}

function stackOf(error: unknown): string {
  const own = error instanceof Error ? (error.stack ?? '') : String(error);
  const cause =
    error instanceof Error && error.cause !== undefined ? `\ncaused by ${stackOf(error.cause)}` : '';
  return own + cause;
}
