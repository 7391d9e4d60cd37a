import { type FieldValue, isSamples } from '../ports/reading.ts';

/** Longest text shown of one value. */
const MAX_TEXT = 200;

/** What kind of value it is, as `fields.type` of the configuration calls it. */
export function kindOf(value: FieldValue | undefined): string {
  if (value === null || value === undefined) return 'null';
  if (isSamples(value)) return 'array';
  if (ArrayBuffer.isView(value)) return 'tensor';
  return Array.isArray(value) ? 'bytes' : typeof value;
}

/** A value as a person can read it: of arrays and blobs only how large they are. */
export function shown(value: FieldValue): {
  value: number | string | boolean | null;
  size: number | null;
} {
  if (value === null || typeof value === 'boolean') return { value, size: null };
  if (typeof value === 'number') return { value: Number.isFinite(value) ? value : null, size: null };
  if (typeof value === 'string') return { value: value.slice(0, MAX_TEXT), size: null };
  if (ArrayBuffer.isView(value)) return { value: null, size: (value as { readonly length: number }).length };
  return { value: null, size: value.reduce((sum, blob) => sum + blob.length, 0) };
}
