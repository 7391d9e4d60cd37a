import { GatewayError } from '../../errors.ts';

/** Longest name of a field or record, in UTF-16 units. */
const MAX_NAME = 128;
/** Names a plain object inherits meaning from; a reading must be safe to turn into one anywhere downstream. */
const UNSAFE = new Set(['__proto__', 'constructor', 'prototype']);

/** Checks a field name that a payload brought along. @throws GatewayError DECODE_NAME */
export function checkFieldName(name: string): void {
  if (name.length === 0 || name.length > MAX_NAME || UNSAFE.has(name) || !name.isWellFormed()) {
    throw new GatewayError('DECODE_NAME', `field name ${JSON.stringify(name.slice(0, 64))} is not allowed`, {
      received: name.slice(0, 64),
      expected: `1 to ${MAX_NAME} characters of well-formed Unicode, none of ${[...UNSAFE].join(', ')}`,
    });
  }
}

/** Shapes remembered per stream; a stream whose payloads keep changing shape still decodes, only slower. */
const MAX_SHAPES = 256;

/** Gives equal lists of field names one shared array, so that readings of one shape share it. */
export class ShapeTable {
  #last: readonly string[] = [];
  readonly #known = new Map<string, readonly string[]>();

  /** The shared array equal to the first `count` of `names`. New names are checked. */
  intern(names: readonly string[], count: number): readonly string[] {
    if (equal(this.#last, names, count)) return this.#last;
    const list = names.slice(0, count);
    const key = JSON.stringify(list);
    let shape = this.#known.get(key);
    if (!shape) {
      for (const name of list) checkFieldName(name);
      shape = Object.freeze(list);
      if (this.#known.size >= MAX_SHAPES) this.#known.clear();
      this.#known.set(key, shape);
    }
    this.#last = shape;
    return shape;
  }
}

function equal(a: readonly string[], b: readonly string[], count: number): boolean {
  if (a.length !== count) return false;
  for (let i = 0; i < count; i++) if (a[i] !== b[i]) return false;
  return true;
}
