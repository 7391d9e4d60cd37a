/** Geohashes (http://geohash.org): a place on the globe as characters, each of which divides the rest by 32. */

export interface Place {
  /** Degrees, north positive. */
  readonly latitude: number;
  /** Degrees, east positive. */
  readonly longitude: number;
}

const DIGITS = '0123456789bcdefghjkmnpqrstuvwxyz';
const MAX_LENGTH = 12;

/** Name of the cell that a place is in. 5 characters are about 5 × 5 km, 12 a few centimetres. */
export function encodeGeohash({ latitude, longitude }: Place, length: number): string {
  const ranges = { latitude: [-90, 90], longitude: [-180, 180] } as const;
  const [lat, lon] = [[...ranges.latitude], [...ranges.longitude]] as [[number, number], [number, number]];
  let text = '';
  for (let i = 0; i < Math.min(length, MAX_LENGTH); i++) {
    let digit = 0;
    for (let bit = 0; bit < 5; bit++) {
      // Bits take turns, longitude first, over all characters.
      const [range, value] = (i * 5 + bit) % 2 === 0 ? [lon, longitude] : [lat, latitude];
      const middle = (range[0] + range[1]) / 2;
      const upper = value >= middle;
      range[upper ? 0 : 1] = middle;
      digit = digit * 2 + (upper ? 1 : 0);
    }
    text += DIGITS[digit];
  }
  return text;
}

/** Middle of a cell, and how far its corners are from it; undefined when the text is no geohash. */
export function decodeGeohash(geohash: string): (Place & { readonly errorKm: number }) | undefined {
  const lat: [number, number] = [-90, 90];
  const lon: [number, number] = [-180, 180];
  if (geohash.length === 0 || geohash.length > MAX_LENGTH) return undefined;
  for (const [i, character] of [...geohash].entries()) {
    const digit = DIGITS.indexOf(character);
    if (digit < 0) return undefined;
    for (let bit = 0; bit < 5; bit++) {
      const range = (i * 5 + bit) % 2 === 0 ? lon : lat;
      range[(digit >> (4 - bit)) & 1 ? 0 : 1] = (range[0] + range[1]) / 2;
    }
  }
  const middle = { latitude: (lat[0] + lat[1]) / 2, longitude: (lon[0] + lon[1]) / 2 };
  // The side towards the equator is the longer one.
  const corners = lat.map((latitude) => distanceKm(middle, { latitude, longitude: lon[0] }));
  return { ...middle, errorKm: Math.max(...corners) };
}

const EARTH_KM = 6371;
const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/** Great-circle distance by the haversine formula; the earth taken for a sphere, which errs by 0.5 % at most. */
export function distanceKm(a: Place, b: Place): number {
  const [latA, latB] = [radians(a.latitude), radians(b.latitude)];
  const half = (x: number): number => Math.sin(x / 2) ** 2;
  const h = half(latB - latA) + Math.cos(latA) * Math.cos(latB) * half(radians(b.longitude - a.longitude));
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(h)));
}
