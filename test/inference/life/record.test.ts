import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LIFE_FILE, LifeFile } from '../../../gateway/inference/life/file.ts';
import {
  type Family,
  inState,
  onTrial,
  promoted,
  rolledBack,
  servingFirst,
  staged,
  withVersion,
} from '../../../gateway/inference/life/record.ts';
import { placeOf } from '../../../gateway/inference/life/router.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const three = ['1', '2', '10'].reduce<Family>((family, version) => withVersion(family, version, 1), {});
const states = (family: Family): Record<string, string> =>
  Object.fromEntries(Object.entries(family).map(([version, { state }]) => [version, state]));

test('versions go from staged to live and back, one at a time in each state', () => {
  let family = promoted(three, '1', 2);
  family = onTrial(family, '2', { state: 'shadow' }, 3);
  family = onTrial(family, '10', { state: 'shadow' }, 4);
  expect(states(family)).toEqual({ 1: 'live', 2: 'staged', 10: 'shadow' });
  family = onTrial(family, '10', { state: 'canary', share: 0.1 }, 5);
  family = promoted(family, '10', 6);
  family = promoted(family, '2', 7);
  expect(states(family)).toEqual({ 1: 'staged', 2: 'live', 10: 'previous' });
  expect(servingFirst(family)).toEqual(['2', '10', '1']);
  family = rolledBack('m', family, 8, 'it crashed');
  expect(states(family)).toEqual({ 1: 'staged', 2: 'staged', 10: 'live' });
  expect(family['2']).toMatchObject({ note: 'it crashed', since: 8 });
  expect(() => rolledBack('m', family, 9)).toThrow('no previous version');
});

test('a rollback ends a canary first and leaves the live version alone', () => {
  const family = onTrial(promoted(three, '2', 2), '10', { state: 'canary', share: 0.5 }, 3);
  const after = rolledBack('m', family, 4, 'slow');
  expect(inState(after, 'live')).toBe('2');
  expect(after['10']).toEqual({ state: 'staged', since: 4, note: 'slow' });
});

test('what cannot be is refused', () => {
  const family = promoted(three, '1', 2);
  expect(() => staged(family, '1', 3)).toThrow('is live');
  expect(() => promoted(family, '7', 3)).toThrow('no version 7');
  expect(() => onTrial(family, '1', { state: 'shadow' }, 3)).toThrow('live already');
  expect(() => onTrial(three, '1', { state: 'shadow' }, 3)).toThrow('no live version');
});

test('route keys have a stable place, evenly spread, and another one for another version', () => {
  const keys = Array.from({ length: 20_000 }, (_, i) => `press-${i}`);
  const places = keys.map((key) => placeOf(key, 'm@2'));
  expect(keys.map((key) => placeOf(key, 'm@2'))).toEqual(places);
  for (const share of [0.01, 0.1, 0.5])
    expect(places.filter((place) => place < share).length / keys.length).toBeCloseTo(share, 1.5);
  const both = keys.filter((key, i) => places[i]! < 0.1 && placeOf(key, 'm@3') < 0.1);
  expect(both.length / keys.length).toBeCloseTo(0.01, 1.5);
});

test('states survive on disk; a damaged file is put aside and told', () => {
  const dir = join(temporaryFolder(), 'models');
  const family = onTrial(promoted(three, '1', 2), '2', { state: 'canary', share: 0.25 }, 3);
  const file = new LifeFile(dir);
  expect(file.read()).toEqual({ models: {} });
  file.write({ m: family });
  expect(new LifeFile(dir).read().models).toEqual({ m: family });
  writeFileSync(join(dir, LIFE_FILE), '{"format": 1, "models": {"m": {"1": {"state": "king"}}}}');
  expect(file.read().damage?.message).toContain('put aside');
  expect(file.read()).toEqual({ models: {} });
});
