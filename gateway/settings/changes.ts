import { pathText, show } from '../config/issues.ts';
import type { Config } from '../config/schema.ts';
import { needsRestart } from '../config/words.ts';
import type { SettingsChange } from '../http/index.ts';

type Path = readonly (string | number)[];

/** Settings told of one change; more are not read by anybody. */
const MAX_CHANGES = 200;

/** What differs between two parsed configurations. Entries of lists are the same when their `id` is. */
export function changesOf(before: Config, after: Config): SettingsChange[] {
  const changes: SettingsChange[] = [];
  compare(before, after, [], (path, a, b) => {
    if (changes.length >= MAX_CHANGES) return;
    changes.push({
      path: pathText(path),
      kind: a === undefined ? 'added' : b === undefined ? 'removed' : 'changed',
      before: show(a) ?? null,
      after: show(b) ?? null,
      restart: needsRestart(pathText(path)),
    });
  });
  return changes;
}

type Tell = (path: Path, before: unknown, after: unknown) => void;

function compare(a: unknown, b: unknown, path: Path, tell: Tell): void {
  if (Array.isArray(a) && Array.isArray(b) && (named(a) || named(b))) {
    compareNamed(a, b, path, tell);
  } else if (isMapping(a) && isMapping(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
      compare(a[key], b[key], [...path, key], tell);
  } else if (JSON.stringify(a) !== JSON.stringify(b)) {
    tell(path, a, b);
  }
}

interface Named {
  readonly id: string;
}

/** Lists of streams, pipelines, sinks: by their ids, so that one more in front is one change. */
function compareNamed(a: readonly Named[], b: readonly Named[], path: Path, tell: Tell): void {
  const at = (list: readonly Named[], id: string): number => list.findIndex((one) => one.id === id);
  b.forEach((entry, i) => {
    compare(a[at(a, entry.id)], entry, [...path, i], tell);
  });
  a.forEach((entry, i) => {
    if (at(b, entry.id) < 0) tell([...path, i], entry, undefined);
  });
}

const named = (list: readonly unknown[]): list is readonly Named[] =>
  list.length > 0 && list.every((one) => isMapping(one) && typeof one.id === 'string');

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
