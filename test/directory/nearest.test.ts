import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeGeohash, distanceKm, encodeGeohash } from '../../gateway/directory/geohash.ts';
import { firstThat, nearest } from '../../gateway/directory/nearest.ts';
import type { ListedGateway } from '../../gateway/ports/directory.ts';

const SEED = 20261122;
const place = fc.record({
  latitude: fc.double({ min: -90, max: 90, noNaN: true }),
  longitude: fc.double({ min: -180, max: 179.999999, noNaN: true }),
});
const MUNICH = { latitude: 48.137, longitude: 11.575 };

test('names cells as geohash.org does', () => {
  expect(encodeGeohash({ latitude: 57.64911, longitude: 10.40744 }, 11)).toBe('u4pruydqqvj');
  expect(encodeGeohash({ latitude: -25.382708, longitude: -49.265506 }, 8)).toBe('6gkzwgjz');
  for (const wrong of ['', 'a', 'u4prUy', 'u4pruydqqvj00']) expect(decodeGeohash(wrong)).toBeUndefined();
});

test(`a place is in the cell that is named after it (seed ${SEED})`, () => {
  fc.assert(
    fc.property(place, fc.integer({ min: 1, max: 12 }), (where, length) => {
      const cell = decodeGeohash(encodeGeohash(where, length))!;
      expect(distanceKm(cell, where)).toBeLessThanOrEqual(cell.errorKm * 1.01 + 1e-6);
      // From the middle on, the way down is the same: names of smaller cells begin with those of larger ones.
      expect(encodeGeohash(where, 12).startsWith(encodeGeohash(where, length))).toBe(true);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test('distances are those of the globe', () => {
  expect(distanceKm(MUNICH, { latitude: 52.52, longitude: 13.405 })).toBeCloseTo(504, 0);
  // Over the date line it is not far.
  expect(distanceKm({ latitude: 0, longitude: 179.9 }, { latitude: 0, longitude: -179.9 })).toBeLessThan(23);
});

const gateway = (
  name: string,
  where: { latitude: number; longitude: number },
  change = {},
): ListedGateway => ({
  bond: 0n,
  listing: {
    device: `0x${'1'.repeat(40)}`,
    provider: `0x${'2'.repeat(40)}`,
    token: `0x${'3'.repeat(40)}`,
    geohash: encodeGeohash(where, 6),
    tariffHash: `0x${'4'.repeat(64)}`,
    nonce: 1,
    validUntil: 2_000_000_000,
    endpoint: name,
    models: ['detector@1.0.0'],
    ...change,
  },
});
const now = 1_800_000_000_000;
const names = (list: readonly ListedGateway[]) => list.map(({ listing }) => listing.endpoint);

const GATEWAYS = [
  gateway('berlin', { latitude: 52.52, longitude: 13.405 }),
  gateway('augsburg', { latitude: 48.37, longitude: 10.9 }),
  gateway('over', MUNICH, { validUntil: 1 }),
  { ...gateway('next door', MUNICH), bond: 5n },
  { ...gateway('next door, more at stake', MUNICH), bond: 9n },
  gateway('another model', MUNICH, { models: ['detector-2@1.0.0'] }),
];

test('the nearest comes first; of two as near the one with more at stake', () => {
  const wanted = { near: MUNICH, now, model: 'detector' };
  expect(names(nearest(GATEWAYS, wanted))).toEqual([
    'next door, more at stake',
    'next door',
    'augsburg',
    'berlin',
  ]);
  expect(names(nearest(GATEWAYS, { ...wanted, minBond: 6n }))).toEqual(['next door, more at stake']);
  expect(nearest(GATEWAYS, { ...wanted, model: 'detector@2.0.0' })).toEqual([]);
  expect(nearest(GATEWAYS, { ...wanted, token: `0x${'9'.repeat(40)}` })).toEqual([]);
});

test('who does not answer is passed over for the next', async () => {
  const list = nearest(GATEWAYS, { near: MUNICH, now, model: 'detector' });
  const refused: string[] = [];
  const found = await firstThat(
    list,
    async ({ listing }) => {
      if (listing.endpoint.startsWith('next door')) throw new Error('gone');
      return listing.endpoint.length;
    },
    ({ listing }) => refused.push(listing.endpoint),
  );
  expect(found).toMatchObject({ gateway: { listing: { endpoint: 'augsburg' } }, answer: 8 });
  expect(refused).toEqual(['next door, more at stake', 'next door']);
  expect(await firstThat([], async () => 1)).toBeUndefined();
});
