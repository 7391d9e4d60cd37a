import type { BenchSettings } from '../../benchmark/run.ts';
import { SCENARIOS, type Scenario } from '../../benchmark/scenarios.ts';
import { parseDuration } from '../../config/units.ts';
import { GatewayError } from '../../errors.ts';
import type { CommandContext } from '../command.ts';

/** Options of `bench`, checked. Throws USAGE. */
export function settingsOf(context: CommandContext): BenchSettings {
  const bound = context.option('bound');
  const latencyBoundMs = bound === undefined ? 20 : parseDuration(bound);
  if (!latencyBoundMs) throw wrong('--bound', bound, 'a duration such as 20ms');
  return {
    scenarios: scenariosOf(context.option('scenario')),
    seconds: numberOf(context, 'seconds', 5, 0.1, 3600),
    seed: numberOf(context, 'seed', 1, 0, 2 ** 32 - 1),
    latencyBoundMs,
    rate: context.option('rate') === undefined ? undefined : numberOf(context, 'rate', 0, 0.01, 1e7),
  };
}

/** In the order they run: Server looks for its rate below what Offline reaches. */
const ORDER: readonly Scenario[] = ['SingleStream', 'MultiStream', 'Offline', 'Server'];

/** Scenarios named by `--scenario`; all of them when none is. Throws USAGE. */
export function scenariosOf(text: string | undefined): Scenario[] {
  if (text === undefined) return [...ORDER];
  const words = text.split(',').map((word) => word.trim().toLowerCase());
  const unknown = words.find((word) => SCENARIOS.every((name) => name.toLowerCase() !== word));
  if (unknown !== undefined) throw wrong('--scenario', unknown, SCENARIOS.join(', '));
  return ORDER.filter((name) => words.includes(name.toLowerCase()));
}

function numberOf(
  context: CommandContext,
  name: string,
  otherwise: number,
  least: number,
  most: number,
): number {
  const text = context.option(name);
  const value = Number(text ?? otherwise);
  if (value >= least && value <= most) return value;
  throw wrong(`--${name}`, text, `${least} to ${most}`);
}

/** @throws GatewayError USAGE */
export const wrong = (option: string, received: string | undefined, expected: string): GatewayError =>
  new GatewayError('USAGE', `${option} cannot be ${received}`, { received, expected });
