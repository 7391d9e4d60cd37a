import { createDirectory } from '../../../adapters/registry.ts';
import type { Config } from '../../config/schema.ts';
import type { Place } from '../../directory/geohash.ts';
import { GatewayError } from '../../errors.ts';
import type { Directory } from '../../ports/directory.ts';
import type { CommandContext } from '../command.ts';
import { chainOf } from '../ledger/chain-of.ts';

/** A place from `--near 48.137,11.575`, else that of the gateway. Throws USAGE when there is none. */
export function placeOf(context: CommandContext, option: string, config: Config): Place {
  const text = context.option(option);
  if (text === undefined && config.gateway.location) return config.gateway.location;
  const [latitude, longitude, ...more] = (text ?? '')
    .split(',')
    .map((part) => (part.trim() ? Number(part) : NaN));
  if (more.length === 0 && Math.abs(latitude!) <= 90 && Math.abs(longitude!) <= 180)
    return { latitude: latitude!, longitude: longitude! };
  throw new GatewayError('USAGE', text === undefined ? `--${option} is missing` : `--${option} is no place`, {
    ...(text === undefined ? {} : { received: text }),
    expected: `--${option} LATITUDE,LONGITUDE in degrees, or gateway.location in the configuration`,
  });
}

/** Runs something with the directory of the configuration and lets go of it. */
export async function withDirectory<T>(
  config: Config,
  use: (directory: Directory) => Promise<T>,
): Promise<T> {
  const directory = createDirectory(chainOf(config));
  try {
    return await use(directory);
  } finally {
    directory.close();
  }
}
