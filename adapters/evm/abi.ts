import { keccak_256 } from '@noble/hashes/sha3.js';

/**
 * Contract ABI (https://docs.soliditylang.org/en/latest/abi-spec.html): calls are written as their signature, `list(uint256,(address,string)[])`,
 * structs as tuples. Integers are bigint (numbers are taken too), addresses and bytes are lower-case hexadecimal with 0x
 * (byte arrays are taken too), tuples and lists are arrays.
 */
export type AbiValue = string | bigint | number | boolean | Uint8Array | readonly AbiValue[];
/** What decoding gives. */
export type AbiResult = string | bigint | boolean | AbiResult[];

type AbiType =
  | { readonly kind: 'word'; readonly name: string }
  | { readonly kind: 'bytes' | 'string' }
  | { readonly kind: 'list'; readonly of: AbiType }
  | { readonly kind: 'tuple'; readonly of: readonly AbiType[] };

/** First four bytes of the hash of a signature, as `0x…`: what names a function or an error. */
export function selectorOf(signature: string): string {
  return `0x${hex(keccak_256(Buffer.from(signature)).subarray(0, 4))}`;
}

/** First topic of an event, as `0x…`. */
export function topicOf(signature: string): string {
  return `0x${hex(keccak_256(Buffer.from(signature)))}`;
}

/** Call data of a function. Throws a RangeError when a value does not fit its type. */
export function encodeCall(signature: string, ...values: readonly AbiValue[]): string {
  return selectorOf(signature) + encodeValues(signature.slice(signature.indexOf('(')), ...values);
}

/** Encodes values of the types `(uint256,string)`; hexadecimal without 0x. */
export function encodeValues(types: string, ...values: readonly AbiValue[]): string {
  return hex(encode(parse(types), values));
}

/** Reads values of the types `(uint256,string)`. Throws a RangeError when the data are not such values. */
export function decodeValues(types: string, data: string): AbiResult[] {
  const bytes = Buffer.from(data.replace(/^0x/, ''), 'hex');
  return decode(parse(types), { bytes, left: bytes.length / 32 }, 0) as AbiResult[];
}

/** Every value has a word of its own, so data in which many offsets name one place are refused before they multiply. */
interface Source {
  readonly bytes: Buffer;
  left: number;
}

const parsed = new Map<string, AbiType>();

/** Types are written in this source, so there are few. */
function parse(text: string): AbiType {
  const known = parsed.get(text);
  if (known) return known;
  const [type, end] = read(text, 0);
  if (end !== text.length) throw new RangeError(`not a type: ${text}`);
  parsed.set(text, type);
  return type;
}

function read(text: string, from: number): [AbiType, number] {
  let [type, at] = text[from] === '(' ? readTuple(text, from) : readWord(text, from);
  while (text.startsWith('[]', at)) {
    type = { kind: 'list', of: type };
    at += 2;
  }
  return [type, at];
}

function readTuple(text: string, from: number): [AbiType, number] {
  const of: AbiType[] = [];
  let at = from + 1;
  while (text[at] !== ')') {
    const [type, end] = read(text, at);
    of.push(type);
    at = text[end] === ',' ? end + 1 : end;
    if (end >= text.length) throw new RangeError(`not a type: ${text}`);
  }
  return [{ kind: 'tuple', of }, at + 1];
}

function readWord(text: string, from: number): [AbiType, number] {
  const name = /^[a-z]+\d*/.exec(text.slice(from))?.[0];
  if (!name) throw new RangeError(`not a type: ${text}`);
  const dynamic = name === 'bytes' || name === 'string';
  return [dynamic ? { kind: name } : { kind: 'word', name }, from + name.length];
}

const isDynamic = (type: AbiType): boolean =>
  type.kind === 'tuple' ? type.of.some(isDynamic) : type.kind !== 'word';

/** Bytes a value takes where it stands: a tuple of fixed size stands in line, everything dynamic is an offset. */
const headSize = (type: AbiType): number =>
  type.kind === 'tuple' && !isDynamic(type) ? type.of.reduce((sum, t) => sum + headSize(t), 0) : 32;

function encode(type: AbiType, value: AbiValue): Buffer {
  switch (type.kind) {
    case 'word':
      return encodeWord(type.name, value);
    case 'tuple':
      return encodeSequence(type.of, value as readonly AbiValue[]);
    case 'list': {
      const items = value as readonly AbiValue[];
      return Buffer.concat([
        uint(BigInt(items.length), 256),
        encodeSequence(
          items.map(() => type.of),
          items,
        ),
      ]);
    }
    default: {
      const bytes = type.kind === 'string' ? Buffer.from(value as string, 'utf8') : bytesOf(value);
      const padding = Buffer.alloc((32 - (bytes.length % 32)) % 32);
      return Buffer.concat([uint(BigInt(bytes.length), 256), bytes, padding]);
    }
  }
}

function encodeSequence(types: readonly AbiType[], values: readonly AbiValue[]): Buffer {
  if (values.length !== types.length) throw new RangeError(`${values.length} values for ${types.length}`);
  const heads: Buffer[] = [];
  const tails: Buffer[] = [];
  let offset = types.reduce((sum, type) => sum + headSize(type), 0);
  for (const [i, type] of types.entries()) {
    const bytes = encode(type, values[i]!);
    if (isDynamic(type)) {
      heads.push(uint(BigInt(offset), 256));
      tails.push(bytes);
      offset += bytes.length;
    } else heads.push(bytes);
  }
  return Buffer.concat([...heads, ...tails]);
}

function encodeWord(name: string, value: AbiValue): Buffer {
  if (name === 'bool') return uint(value ? 1n : 0n, 256);
  if (name === 'address') return Buffer.concat([Buffer.alloc(12), sized(bytesOf(value), 20, name)]);
  if (name.startsWith('bytes')) {
    const bytes = sized(bytesOf(value), Number(name.slice(5)), name);
    return Buffer.concat([bytes, Buffer.alloc(32 - bytes.length)]);
  }
  if (!name.startsWith('uint')) throw new RangeError(`no type ${name}`);
  return uint(BigInt(value as bigint | number | string), Number(name.slice(4)));
}

function uint(value: bigint, bits: number): Buffer {
  if (value < 0n || value >> BigInt(bits)) throw new RangeError(`${value} is no uint${bits}`);
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
}

function decode(type: AbiType, data: Source, at: number): AbiResult {
  switch (type.kind) {
    case 'word':
      if (--data.left < 0) throw new RangeError('more values than words');
      return decodeWord(type.name, word(data, at));
    case 'tuple':
      return decodeSequence(type.of, data, at);
    case 'list': {
      data.left--;
      const length = size(data, at);
      // Each item takes a word at least, so a length that lies cannot make this allocate.
      if (length > data.left) throw new RangeError('a list is longer than its data');
      return decodeSequence(new Array<AbiType>(length).fill(type.of), data, at + 32);
    }
    default: {
      if (--data.left < 0) throw new RangeError('more values than words');
      const length = size(data, at);
      if (at + 32 + length > data.bytes.length) throw new RangeError('bytes are longer than their data');
      const bytes = data.bytes.subarray(at + 32, at + 32 + length);
      return type.kind === 'string' ? bytes.toString('utf8') : `0x${hex(bytes)}`;
    }
  }
}

function decodeSequence(types: readonly AbiType[], data: Source, base: number): AbiResult[] {
  let at = base;
  return types.map((type) => {
    const value = decode(type, data, isDynamic(type) ? base + size(data, at) : at);
    at += headSize(type);
    return value;
  });
}

function decodeWord(name: string, bytes: Buffer): AbiResult {
  if (name === 'address') return `0x${hex(bytes.subarray(12))}`;
  if (name.startsWith('bytes')) return `0x${hex(bytes.subarray(0, Number(name.slice(5))))}`;
  const value = BigInt(`0x${hex(bytes)}`);
  return name === 'bool' ? value !== 0n : value;
}

function word(data: Source, at: number): Buffer {
  if (at + 32 > data.bytes.length) throw new RangeError('the data end early');
  return data.bytes.subarray(at, at + 32);
}

/** A length or an offset. */
function size(data: Source, at: number): number {
  const value = BigInt(`0x${hex(word(data, at))}`);
  if (value > BigInt(data.bytes.length)) throw new RangeError('a length or an offset is beyond the data');
  return Number(value);
}

const hex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');

const bytesOf = (value: AbiValue): Buffer =>
  value instanceof Uint8Array ? Buffer.from(value) : Buffer.from((value as string).replace(/^0x/, ''), 'hex');

function sized(bytes: Buffer, length: number, name: string): Buffer {
  if (bytes.length !== length) throw new RangeError(`${bytes.length} bytes for ${name}`);
  return bytes;
}
