import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { compareVersions } from '../registry.ts';

/**
 * What each version of a model is there for, as it is kept on disk. Pure: every function takes a family and gives the
 * next one, or throws MODEL_STATE and says what to do instead.
 *
 *     staged → shadow → canary → live → previous
 *
 * `staged`: installed, answers only when asked for by its version. `shadow`: computes beside the live one, compared,
 * never answers. `canary`: answers a share of the route keys. `live`: answers the name. `previous`: was live before; a
 * rollback makes it live again. At most one version each of shadow, canary, live and previous.
 */
export type LifeState = 'staged' | 'shadow' | 'canary' | 'live' | 'previous';

const entry = z.strictObject({
  state: z.enum(['staged', 'shadow', 'canary', 'live', 'previous']),
  /** Epoch milliseconds of the last change. */
  since: z.number(),
  /** Share of route keys, of a canary. */
  share: z.number().gt(0).max(1).optional(),
  /** Installed, and nobody has decided about it yet. */
  fresh: z.literal(true).optional(),
  /** Why it was stopped or taken back. */
  note: z.string().max(2000).optional(),
});

export const lifeSchema = z.strictObject({
  format: z.literal(1),
  models: z.record(z.string(), z.record(z.string(), entry)),
});

export type VersionEntry = Readonly<z.output<typeof entry>>;
/** The versions of one name. */
export type Family = Readonly<Record<string, VersionEntry>>;

/** What happens to a higher version of a name that already has a live one. */
export type NewVersionPolicy = 'live' | 'staged' | 'shadow';

/** The version in a state, undefined when there is none. */
export function inState(family: Family, state: LifeState): string | undefined {
  for (const version in family) if (family[version]!.state === state) return version;
  return undefined;
}

/** Versions from the highest to the lowest. */
export const highestFirst = (versions: Iterable<string>): string[] =>
  [...versions].sort((a, b) => compareVersions(b, a));

/** The live one first, then by version, highest first. */
export function servingFirst(family: Family): string[] {
  const live = inState(family, 'live');
  const rest = highestFirst(Object.keys(family).filter((version) => version !== live));
  return live === undefined ? rest : [live, ...rest];
}

/** Adds a version that has been installed, as `staged`; one that is known stays as it is. */
export const withVersion = (family: Family, version: string, now: number): Family =>
  family[version] ? family : { ...family, [version]: { state: 'staged', since: now, fresh: true } };

export function withoutVersion(family: Family, version: string): Family {
  const { [version]: _, ...rest } = family;
  return rest;
}

/** Makes a version live; the one that was becomes `previous`. */
export function promoted(family: Family, version: string, now: number): Family {
  known(family, version);
  const live = inState(family, 'live');
  if (live === version) return family;
  const next = decided(family);
  for (const other in next)
    if (next[other]!.state === 'previous') next[other] = { state: 'staged', since: now };
  if (live !== undefined) next[live] = { state: 'previous', since: now };
  next[version] = { state: 'live', since: now };
  return next;
}

/**
 * Takes back the last step: ends a canary if there is one, else the previous version is live again.
 * @param note why, kept with the version that gave way
 */
export function rolledBack(name: string, family: Family, now: number, note?: string): Family {
  const canary = inState(family, 'canary');
  if (canary !== undefined) return staged(family, canary, now, note);
  const live = inState(family, 'live');
  const previous = inState(family, 'previous');
  if (live === undefined || previous === undefined)
    throw new GatewayError('MODEL_STATE', `${name} has no previous version to go back to`, {
      fix: `Promote the version that shall serve: \`aimx-gateway models promote ${name}@VERSION\`.`,
    });
  return {
    ...decided(family),
    [live]: { state: 'staged', since: now, ...(note === undefined ? {} : { note }) },
    [previous]: { state: 'live', since: now },
  };
}

/** Takes a shadow, a canary or the previous version out of service. */
export function staged(family: Family, version: string, now: number, note?: string): Family {
  if (known(family, version).state === 'live')
    throw new GatewayError('MODEL_STATE', `version ${version} is live`, {
      fix: 'Promote another version first, or roll back.',
    });
  return { ...family, [version]: { state: 'staged', since: now, ...(note === undefined ? {} : { note }) } };
}

/** Puts a version on trial beside the live one. */
export function onTrial(
  family: Family,
  version: string,
  trial: { readonly state: 'shadow' } | { readonly state: 'canary'; readonly share: number },
  now: number,
): Family {
  const { state } = known(family, version);
  if (state === 'live') throw new GatewayError('MODEL_STATE', `version ${version} is live already`);
  if (inState(family, 'live') === undefined)
    throw new GatewayError('MODEL_STATE', 'there is no live version to compare it with', {
      fix: 'Promote it.',
    });
  const next = { ...family };
  for (const other in next)
    if (other !== version && next[other]!.state === trial.state)
      next[other] = { state: 'staged', since: now };
  next[version] = { ...trial, since: now };
  return next;
}

/** Somebody has chosen among these versions: none of them rises by itself any more. */
function decided(family: Family): Record<string, VersionEntry> {
  return Object.fromEntries(
    Object.entries(family).map(([version, { fresh: _, ...rest }]) => [version, rest]),
  );
}

function known(family: Family, version: string): VersionEntry {
  const found = family[version];
  if (found) return found;
  throw new GatewayError('MODEL_MISSING', `there is no version ${version}`, {
    received: version,
    expected: servingFirst(family).join(', ') || 'none is installed',
  });
}
