import { fromHex, keccak, uintWord, utf8 } from './bytes.ts';

/** EIP-712 typed structured data: hashing of any struct type, by hand so that it costs microseconds. */

export interface Field {
  readonly name: string;
  readonly type: string;
}
export type Types = Readonly<Record<string, readonly Field[]>>;

export interface Domain {
  readonly name?: string;
  readonly version?: string;
  readonly chainId?: number | bigint;
  readonly verifyingContract?: string;
  readonly salt?: string;
}

const DOMAIN_FIELDS: readonly Field[] = [
  { name: 'name', type: 'string' },
  { name: 'version', type: 'string' },
  { name: 'chainId', type: 'uint256' },
  { name: 'verifyingContract', type: 'address' },
  { name: 'salt', type: 'bytes32' },
];

/** EIP-712 `encodeType`: the type followed by those it refers to, sorted by name. */
export function encodeType(type: string, types: Types): string {
  const referred = new Set<string>();
  const visit = (name: string): void => {
    if (referred.has(name) || !types[name]) return;
    referred.add(name);
    for (const field of types[name]) visit(field.type.replace(/\[.*$/, ''));
  };
  visit(type);
  referred.delete(type);
  return [type, ...[...referred].sort()]
    .map((name) => `${name}(${types[name]!.map((f) => `${f.type} ${f.name}`).join(',')})`)
    .join('');
}

export const typeHash = (type: string, types: Types): Uint8Array => keccak(utf8(encodeType(type, types)));

/** EIP-712 `hashStruct`. */
export function hashStruct(type: string, types: Types, value: Readonly<Record<string, unknown>>): Uint8Array {
  return keccak(
    typeHash(type, types),
    ...types[type]!.map((field) => encodeValue(field.type, types, value[field.name])),
  );
}

/** Separator of a domain with whichever of its five fields are present. */
export function domainSeparator(domain: Domain): Uint8Array {
  const fields = DOMAIN_FIELDS.filter((field) => domain[field.name as keyof Domain] !== undefined);
  return hashStruct('EIP712Domain', { EIP712Domain: fields }, { ...domain });
}

const PREFIX = new Uint8Array([0x19, 0x01]);

/** What is signed: keccak256(0x1901 ‖ domainSeparator ‖ hashStruct). */
export const digest = (separator: Uint8Array, struct: Uint8Array): Uint8Array =>
  keccak(PREFIX, separator, struct);

function encodeValue(type: string, types: Types, value: unknown): Uint8Array {
  const array = /^(.*)\[(\d*)\]$/.exec(type);
  if (array) {
    const items = value as readonly unknown[];
    if (array[2] && items.length !== Number(array[2])) throw new RangeError(`${type}: ${items.length} items`);
    return keccak(...items.map((item) => encodeValue(array[1]!, types, item)), new Uint8Array(0));
  }
  if (types[type]) return hashStruct(type, types, value as Record<string, unknown>);
  if (type === 'string') return keccak(utf8(value as string));
  if (type === 'bytes') return keccak(asBytes(value));
  if (type === 'bool') return uintWord(value ? 1n : 0n);
  if (type === 'address') return Buffer.concat([new Uint8Array(12), sized(asBytes(value), 20, type)]);
  const bytesN = /^bytes(\d+)$/.exec(type);
  if (bytesN) {
    const size = Number(bytesN[1]);
    return Buffer.concat([sized(asBytes(value), size, type), new Uint8Array(32 - size)]);
  }
  const integer = /^(u?)int(\d*)$/.exec(type);
  if (integer) return encodeInteger(type, integer[1] === 'u', Number(integer[2] || 256), value);
  throw new RangeError(`unknown type ${type}`);
}

function encodeInteger(type: string, unsigned: boolean, bits: number, value: unknown): Uint8Array {
  const number = BigInt(value as string | number | bigint);
  const wrapped = unsigned ? BigInt.asUintN(bits, number) : BigInt.asIntN(bits, number);
  if (wrapped !== number) throw new RangeError(`${type}: ${number} does not fit`);
  return uintWord(BigInt.asUintN(256, number));
}

const asBytes = (value: unknown): Uint8Array =>
  value instanceof Uint8Array ? value : fromHex(value as string);

function sized(bytes: Uint8Array, size: number, type: string): Uint8Array {
  if (bytes.length !== size) throw new RangeError(`${type}: ${bytes.length} bytes`);
  return bytes;
}
