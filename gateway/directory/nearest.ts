import type { ListedGateway } from '../ports/directory.ts';
import { decodeGeohash, distanceKm, type Place } from './geohash.ts';

/** An entry with how far its cell's middle is away, give or take `errorKm`. */
export interface NearGateway extends ListedGateway {
  readonly km: number;
  readonly errorKm: number;
}

export interface Wanted {
  readonly near: Place;
  /** Milliseconds since the epoch: entries that are over are left out. */
  readonly now: number;
  /** `name` or `name@version`. */
  readonly model?: string;
  /** Entries that have less at stake are left out, in the token's smallest unit. */
  readonly minBond?: bigint;
  readonly token?: string;
}

/** Entries that fit, nearest first; of those equally near the one with more at stake. */
export function nearest(entries: readonly ListedGateway[], wanted: Wanted): NearGateway[] {
  const { near, now, model, minBond = 0n, token } = wanted;
  const serves = ({ listing }: ListedGateway): boolean =>
    model === undefined || listing.models.some((name) => name === model || name.startsWith(`${model}@`));
  return entries
    .filter((entry) => entry.listing.validUntil * 1000 >= now && entry.bond >= minBond && serves(entry))
    .filter(({ listing }) => token === undefined || listing.token === token.toLowerCase())
    .flatMap((entry): NearGateway[] => {
      const place = decodeGeohash(entry.listing.geohash);
      if (!place) return []; // the contract lets none in
      return [{ ...entry, km: distanceKm(near, place), errorKm: place.errorKm }];
    })
    .sort((a, b) => a.km - b.km || (a.bond < b.bond ? 1 : a.bond > b.bond ? -1 : 0));
}

/**
 * The first gateway that `ask` succeeds with, nearest first, and what it answered: who is gone or refuses is passed
 * over. Undefined when none does; `refused` then tells why of each.
 */
export async function firstThat<T>(
  gateways: readonly NearGateway[],
  ask: (gateway: NearGateway) => Promise<T>,
  refused: (gateway: NearGateway, reason: unknown) => void = () => {},
): Promise<{ readonly gateway: NearGateway; readonly answer: T } | undefined> {
  for (const gateway of gateways) {
    try {
      return { gateway, answer: await ask(gateway) };
    } catch (reason) {
      refused(gateway, reason);
    }
  }
  return undefined;
}
