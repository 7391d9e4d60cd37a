import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GatewayError } from '../errors.ts';
import type { Bundle } from '../inference/bundle.ts';
import { LifeFile } from '../inference/life/file.ts';
import { highestFirst, inState, onTrial, promoted, withVersion } from '../inference/life/record.ts';

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/** What is tuned, with what, and what it becomes. */
export interface Subject {
  readonly base: Bundle;
  readonly recipe: string;
  readonly version: string;
}

/**
 * The version that a reference means, its recipe (`tune.ts` of the bundle that comes with the gateway) and the next free
 * version: `1.1` after `1`. Without a version it is the live one where that can be tuned, else the highest that can.
 * Throws TUNE_MODEL.
 * @param bundled folder of the bundles that come with the gateway: the only place that recipes are loaded from
 * @param installed folder of the user's bundles
 */
export function findSubject(
  reference: string,
  bundles: readonly Bundle[],
  { bundled, installed }: { readonly bundled: string; readonly installed: string },
): Subject {
  const [name, wanted] = reference.split('@') as [string, string?];
  const named = bundles.filter(({ manifest }) => manifest.name === name);
  const roots = named.filter(
    ({ folder }) => dirname(folder) === bundled && existsSync(join(folder, `tune.${EXTENSION}`)),
  );
  const rootOf = ({ manifest: { version } }: Bundle): Bundle | undefined =>
    roots.find(({ manifest }) => version === manifest.version || version.startsWith(`${manifest.version}.`));
  const order = highestFirst(named.map(({ manifest }) => manifest.version));
  const live = inState(new LifeFile(installed).read().models[name] ?? {}, 'live');
  const versions = wanted === undefined ? [...(live === undefined ? [] : [live]), ...order] : [wanted];
  for (const version of versions) {
    const base = named.find(({ manifest }) => manifest.version === version);
    const root = base && rootOf(base);
    if (!base || !root) continue;
    const taken = new Set(order);
    let step = 1;
    while (taken.has(`${root.manifest.version}.${step}`)) step++;
    return {
      base,
      recipe: join(root.folder, `tune.${EXTENSION}`),
      version: `${root.manifest.version}.${step}`,
    };
  }
  const all = bundles.filter(({ folder }) => existsSync(join(folder, `tune.${EXTENSION}`)));
  throw new GatewayError(
    'TUNE_MODEL',
    named.length === 0
      ? `there is no model ${name}`
      : `${reference} cannot be tuned: it has nothing to train`,
    {
      received: reference,
      expected: all.map(({ manifest }) => `${manifest.name}@${manifest.version}`).join(', '),
    },
  );
}

/**
 * Notes in the models folder of a stopped gateway that a new version is a shadow. What would be live without it is.
 * @param versions all installed versions of the name but the new one
 */
export function noteShadow(
  installed: string,
  name: string,
  version: string,
  versions: readonly string[],
): void {
  const file = new LifeFile(installed);
  const { models } = file.read();
  const now = Date.now();
  let family = models[name] ?? {};
  for (const other of versions) family = withVersion(family, other, now);
  const [highest] = highestFirst(versions);
  if (inState(family, 'live') === undefined && highest !== undefined) family = promoted(family, highest, now);
  family = onTrial(withVersion(family, version, now), version, { state: 'shadow' }, now);
  file.write({ ...models, [name]: family });
}

/** The child's script. */
export const childScript = (): string => fileURLToPath(new URL(`./child.${EXTENSION}`, import.meta.url));
