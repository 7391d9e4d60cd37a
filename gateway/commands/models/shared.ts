import type { Config } from '../../config/schema.ts';
import { suggest } from '../../config/suggest.ts';
import { GatewayError } from '../../errors.ts';
import { scanBundles } from '../../inference/registry.ts';
import { Trust } from '../../inference/signing/trust.ts';
import type { VerifyOptions } from '../../inference/verify.ts';
import { systemClock } from '../../system/clock.ts';
import { createLog } from '../../system/log.ts';
import { bundledModels } from '../../system/version.ts';
import type { CommandContext } from '../command.ts';

export const configOf = (context: CommandContext): Config =>
  context.config({ quiet: true, checkFiles: false }).config;

export const nameOf = ({ name, version }: { name: string; version: string }): string => `${name}@${version}`;

export const foldersOf = (config: Config): string[] => [bundledModels(), config.models.dir!];

export const trustOf = ({ models }: Config): Trust =>
  Trust.of(models.signatures, models.trustedKeys, models.dir);

export const optionsOf = (signal: AbortSignal): VerifyOptions => ({
  clock: systemClock(),
  log: createLog({ level: 'silent' }),
  signal,
});

export const samplesText = (samples: number, recorded = false): string => {
  if (samples === 0) return 'It has no golden samples: nobody has checked its answers on this machine.';
  if (recorded)
    return 'Its golden sample was recorded here just now: it shows when answers change, not that they are right.';
  return `${samples} golden ${samples === 1 ? 'sample is' : 'samples are'} right on this machine.`;
};

/** An error for a model that is not installed, with the one that was perhaps meant. */
export function noSuchModel(name: string, folders: readonly string[]): GatewayError {
  const known = scanBundles(folders).bundles.map(({ manifest }) => nameOf(manifest));
  const meant = suggest(name, known);
  return new GatewayError('USAGE', `there is no model ${name}`, {
    received: name,
    expected: known.join(', '),
    fix: meant ? `Did you mean ${meant}?` : 'Run `aimx-gateway models list`.',
  });
}
