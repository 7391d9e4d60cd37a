import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../../errors.ts';

/** Nesting of arrays, maps and tags; sensor payloads have two or three levels. */
const MAX_DEPTH = 32;
/** Items of one payload, so that one made of many tiny items cannot grow to a thousand times its size in memory. */
const MAX_ITEMS = 200_000;

/** RFC 8746 §2.1: tags of typed arrays that {@link NumericArray} has, little-endian or of single bytes. */
const TYPED_ARRAYS: ReadonlyMap<number, new (buffer: ArrayBuffer) => ArrayBufferView> = new Map<
  number,
  new (
    buffer: ArrayBuffer,
  ) => ArrayBufferView
>([
  [64, Uint8Array],
  [68, Uint8Array],
  [69, Uint16Array],
  [70, Uint32Array],
  [72, Int8Array],
  [77, Int16Array],
  [78, Int32Array],
  [85, Float32Array],
  [86, Float64Array],
]);

/** The same types, big-endian: element size and type. */
const BIG_ENDIAN: ReadonlyMap<number, number> = new Map([
  [65, 69],
  [66, 70],
  [73, 77],
  [74, 78],
  [81, 85],
  [82, 86],
]);

const BREAK = Symbol('break');

/**
 * Reads one CBOR data item (RFC 8949) as JSON-like values: numbers (integers beyond 2^53 as the nearest double),
 * strings, booleans, null (also for undefined), arrays, plain objects (integer keys as their decimal text), Uint8Array
 * for byte strings and typed arrays for the tags of RFC 8746. Tag 4 and 5 fractions and tag 2 and 3 integers become
 * numbers; the content of any other tag stands for itself. Lengths are believed only as far as there are bytes.
 * @throws GatewayError DECODE_EMPTY, DECODE_SYNTAX, DECODE_LIMIT
 */
export function readCbor(payload: Uint8Array): unknown {
  if (payload.length === 0) throw new GatewayError('DECODE_EMPTY', 'the payload is empty');
  const reader = new CborReader(payload);
  const value = reader.item(0);
  if (value === BREAK) throw invalid('a break outside an indefinite-length item');
  if (reader.at !== payload.length) throw invalid(`${payload.length - reader.at} bytes follow the data item`);
  return value;
}

const invalid = (problem: string): GatewayError =>
  new GatewayError('DECODE_SYNTAX', `not CBOR: ${problem}`, { expected: 'one CBOR data item (RFC 8949)' });

class CborReader {
  at = 0;
  #items = 0;
  readonly #bytes: Buffer;
  readonly #view: DataView;

  constructor(payload: Uint8Array) {
    this.#bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    this.#view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  }

  item(depth: number): unknown {
    if (depth > MAX_DEPTH) throw limit(`nested deeper than ${MAX_DEPTH}`);
    if (++this.#items > MAX_ITEMS) throw limit(`more than ${MAX_ITEMS} items`);
    const initial = this.#u8();
    const major = initial >> 5;
    const info = initial & 31;
    if (major === 7) return this.#simple(info);
    const indefinite = info === 31;
    if (indefinite && (major < 2 || major === 6)) throw invalid('an indefinite length where there is none');
    const argument = indefinite ? -1 : this.#argument(info);
    switch (major) {
      case 0:
        return argument;
      case 1:
        return -1 - argument;
      case 2:
        return this.#byteString(argument);
      case 3:
        return indefinite ? this.#chunks(3).map(String).join('') : this.#text(argument);
      case 4:
        return this.#array(argument, depth);
      case 5:
        return this.#map(argument, depth);
      default:
        return this.#tagged(argument, depth);
    }
  }

  #u8(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw invalid('it ends too early');
    return byte;
  }

  /** Moves over `length` bytes that must be there. */
  #take(length: number): number {
    const start = this.at;
    if (length > this.#bytes.length - start) throw invalid('it ends too early');
    this.at += length;
    return start;
  }

  #argument(info: number): number {
    if (info < 24) return info;
    switch (info) {
      case 24:
        return this.#u8();
      case 25:
        return this.#view.getUint16(this.#take(2));
      case 26:
        return this.#view.getUint32(this.#take(4));
      case 27:
        return Number(this.#view.getBigUint64(this.#take(8)));
      default:
        throw invalid('a reserved length');
    }
  }

  #simple(info: number): unknown {
    switch (info) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
      case 23:
        return null;
      case 25:
        return halfFloat(this.#view.getUint16(this.#take(2)));
      case 26:
        return this.#view.getFloat32(this.#take(4));
      case 27:
        return this.#view.getFloat64(this.#take(8));
      case 31:
        return BREAK;
      default:
        throw invalid('an unassigned simple value');
    }
  }

  #byteString(length: number): Uint8Array<ArrayBuffer> {
    if (length < 0) {
      const chunks = this.#chunks(2) as Uint8Array[];
      return new Uint8Array(Buffer.concat(chunks));
    }
    const start = this.#take(length);
    const copy = new Uint8Array(length);
    copy.set(this.#bytes.subarray(start, start + length));
    return copy;
  }

  #text(length: number): string {
    const start = this.#take(length);
    const bytes = this.#bytes.subarray(start, start + length);
    if (!isUtf8(bytes)) throw invalid('a text string that is not UTF-8');
    return bytes.toString('utf8');
  }

  /** RFC 8949 §3.2.3: an indefinite-length string is definite-length chunks of the same type up to a break. */
  #chunks(major: 2 | 3): unknown[] {
    const chunks: unknown[] = [];
    for (;;) {
      if (++this.#items > MAX_ITEMS) throw limit(`more than ${MAX_ITEMS} items`);
      const initial = this.#u8();
      if (initial === 0xff) return chunks;
      if (initial >> 5 !== major || (initial & 31) === 31) throw invalid('a chunk of another type');
      const length = this.#argument(initial & 31);
      chunks.push(major === 2 ? this.#byteString(length) : this.#text(length));
    }
  }

  #array(length: number, depth: number): unknown[] {
    if (length > this.#bytes.length - this.at) throw invalid('an array longer than the payload');
    const out: unknown[] = [];
    while (length < 0 || out.length < length) {
      const value = this.item(depth + 1);
      if (value === BREAK) {
        if (length < 0) return out;
        throw invalid('a break inside an array of known length');
      }
      out.push(value);
    }
    return out;
  }

  /** RFC 8949 §5.6: a map with duplicate keys is not valid. */
  #map(length: number, depth: number): Record<string, unknown> {
    if (length * 2 > this.#bytes.length - this.at) throw invalid('a map longer than the payload');
    const out: Record<string, unknown> = {};
    for (let count = 0; length < 0 || count < length; count++) {
      const key = this.item(depth + 1);
      if (key === BREAK && length < 0) return out;
      if (typeof key !== 'string' && !Number.isSafeInteger(key))
        throw invalid('a key that is no text or integer');
      const name = String(key);
      if (name === '__proto__') throw invalid('the key __proto__');
      if (Object.hasOwn(out, name)) throw invalid(`the key ${JSON.stringify(name.slice(0, 64))} twice`);
      const value = this.item(depth + 1);
      if (value === BREAK) throw invalid('a key without a value');
      out[name] = value;
    }
    return out;
  }

  #tagged(tag: number, depth: number): unknown {
    const content = this.item(depth + 1);
    if (content === BREAK) throw invalid('a tag without content');
    if (tag === 2 || tag === 3) return bigNumber(content, tag === 3);
    if (tag === 4 || tag === 5) return fraction(content, tag === 4 ? 10 : 2);
    if (!(content instanceof Uint8Array)) return content;
    const native = BIG_ENDIAN.get(tag);
    const Type = TYPED_ARRAYS.get(native ?? tag);
    if (!Type) return content;
    return typedArray(Type, content as Uint8Array<ArrayBuffer>, native !== undefined);
  }
}

const limit = (problem: string): GatewayError => new GatewayError('DECODE_LIMIT', `the CBOR is ${problem}`);

function typedArray(
  Type: new (buffer: ArrayBuffer) => ArrayBufferView,
  content: Uint8Array<ArrayBuffer>,
  swap: boolean,
): ArrayBufferView {
  const size = (Type as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
  if (content.length % size !== 0) throw invalid(`a typed array of ${content.length} bytes`);
  if (swap) {
    const bytes = Buffer.from(content.buffer);
    if (size === 2) bytes.swap16();
    else if (size === 4) bytes.swap32();
    else bytes.swap64();
  }
  return new Type(content.buffer);
}

/** RFC 8949 §3.4.3, as the nearest double. Longer ones than a double's range are not numbers a sensor sends. */
function bigNumber(content: unknown, negative: boolean): number {
  if (!(content instanceof Uint8Array) || content.length > 128)
    throw invalid('a bignum that is no short byte string');
  const value = content.length === 0 ? 0n : BigInt(`0x${Buffer.from(content.buffer).toString('hex')}`);
  return Number(negative ? -1n - value : value);
}

/** RFC 8949 §3.4.4: mantissa × base^exponent. A decimal one is read as its text would be, so 273,-2 is 2.73. */
function fraction(content: unknown, base: 10 | 2): number {
  const [exponent, mantissa] = Array.isArray(content) && content.length === 2 ? content : [];
  if (typeof exponent !== 'number' || typeof mantissa !== 'number' || !Number.isInteger(exponent)) {
    throw invalid('a fraction that is no pair of exponent and mantissa');
  }
  return base === 10 ? Number(`${mantissa}e${exponent}`) : mantissa * 2 ** exponent;
}

/** IEEE 754 binary16 (RFC 8949 Appendix D). */
function halfFloat(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}
