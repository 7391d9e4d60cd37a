import { GatewayError } from '../../errors.ts';
import { secondsToMs } from '../fields/time.ts';

/** One measurement of a SenML pack with its base values applied (RFC 8428 §4.6). */
export interface SenmlRecord {
  /** Base name in force; empty when there is none. */
  readonly baseName: string;
  /** The record's own name; empty when it has none. */
  readonly name: string;
  readonly unit: string | undefined;
  /** Milliseconds since the epoch; undefined when the sensor said "now" (a time of zero). */
  readonly time: number | undefined;
  /** `v`, `vs`, `vb` or `vd` (base64url text in JSON, bytes in CBOR); undefined when there is only a sum. */
  readonly value: unknown;
  readonly sum: number | undefined;
}

/** RFC 8428 §4.4, RFC 9100: 10 is the default; bit 4 announces secondary units, which are understood. */
const DEFAULT_VERSION = 10;
const SECONDARY_UNITS_VERSION = DEFAULT_VERSION + 16;
/** RFC 8428 §4.5.3: smaller values are seconds relative to now. */
const RELATIVE_BELOW = 2 ** 28;
/** RFC 8428 §4.5.1. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9\-:./_]*$/;
const MAX_NAME = 512;

const VALUES = ['v', 'vs', 'vb', 'vd'] as const;
const REGULAR = ['n', 'u', ...VALUES, 's', 't', 'ut'] as const;
const LABELS = [...REGULAR, 'bn', 'bt', 'bu', 'bv', 'bs', 'bver'] as const;
const KNOWN: ReadonlySet<string> = new Set(LABELS);

/** The fields of one record as they came, by label; absent ones are undefined. */
type Fields = Record<(typeof LABELS)[number], unknown>;

export const invalidSenml = (problem: string, expected = 'a SenML pack (RFC 8428)'): GatewayError =>
  new GatewayError('DECODE_SYNTAX', `not SenML: ${problem}`, { expected });

interface Bases {
  name: string;
  time: number;
  unit: string | undefined;
  value: number | undefined;
  sum: number | undefined;
}

/** Resolves the records of packs, one after the other. */
export class SenmlResolver {
  readonly #now: number;
  readonly #nameless: boolean;
  readonly #labels: ReadonlyMap<string, string> | undefined;
  readonly #bases: Bases = { name: '', time: 0, unit: undefined, value: undefined, sum: undefined };
  readonly #fields = Object.fromEntries(LABELS.map((label) => [label, undefined])) as Fields;

  /**
   * @param now what times are relative to, ms
   * @param nameless whether a record may lack any name, because the address says whose it is
   * @param labels translates the keys of a format to the labels of JSON; others pass as they are
   */
  constructor(now: number, nameless: boolean, labels?: ReadonlyMap<string, string>) {
    this.#now = now;
    this.#nameless = nameless;
    this.#labels = labels;
  }

  /**
   * The next record of the pack; undefined for one that holds base fields alone: it sets them and measures nothing.
   * @throws GatewayError DECODE_SYNTAX
   */
  next(entry: unknown): SenmlRecord | undefined {
    readFields(entry, this.#labels, this.#fields);
    applyBases(this.#fields, this.#bases);
    return resolve(this.#fields, this.#bases, this.#now, this.#nameless);
  }
}

function readFields(entry: unknown, labels: ReadonlyMap<string, string> | undefined, fields: Fields): void {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry) || ArrayBuffer.isView(entry)) {
    throw invalidSenml('a record is not an object');
  }
  for (const label of LABELS) fields[label] = undefined;
  for (const key of Object.keys(entry)) {
    const label = labels?.get(key) ?? key;
    if (KNOWN.has(label)) {
      const known = label as keyof Fields;
      if (fields[known] !== undefined) throw invalidSenml(`the label ${label} occurs twice in a record`);
      fields[known] = (entry as Record<string, unknown>)[key];
    } else if (label.endsWith('_')) {
      // RFC 8428 §4.4: an unknown label that ends in "_" must be understood, so the pack cannot be.
      throw invalidSenml(`the label ${JSON.stringify(label.slice(0, 64))} must be understood and is not`);
    }
  }
}

function applyBases(fields: Fields, bases: Bases): void {
  bases.name = textField(fields, 'bn') ?? bases.name;
  bases.unit = textField(fields, 'bu') ?? bases.unit;
  bases.time = numberField(fields, 'bt') ?? bases.time;
  bases.value = numberField(fields, 'bv') ?? bases.value;
  bases.sum = numberField(fields, 'bs') ?? bases.sum;
  const version = numberField(fields, 'bver');
  if (version === undefined) return;
  const known = Number.isInteger(version) && version > 0 && version <= DEFAULT_VERSION;
  if (!known && version !== SECONDARY_UNITS_VERSION) {
    throw invalidSenml(`version ${version}`, `bver up to ${DEFAULT_VERSION}, or ${SECONDARY_UNITS_VERSION}`);
  }
}

function resolve(fields: Fields, bases: Bases, now: number, nameless: boolean): SenmlRecord | undefined {
  if (REGULAR.every((label) => fields[label] === undefined)) return undefined;
  const name = textField(fields, 'n') ?? '';
  checkName(bases.name + name, nameless);
  const sum = numberField(fields, 's');
  const time = bases.time + (numberField(fields, 't') ?? 0);
  numberField(fields, 'ut');
  return {
    baseName: bases.name,
    name,
    unit: textField(fields, 'u') ?? bases.unit,
    time: time === 0 ? undefined : time < RELATIVE_BELOW ? now + secondsToMs(time) : secondsToMs(time),
    value: measuredValue(fields, bases, sum !== undefined || bases.sum !== undefined),
    sum: sum === undefined && bases.sum === undefined ? undefined : (sum ?? 0) + (bases.sum ?? 0),
  };
}

/** RFC 8428 §4.3: exactly one value, unless there is a sum. §4.5.4: a missing v or bv counts as zero. */
function measuredValue(fields: Fields, bases: Bases, hasSum: boolean): unknown {
  const present = VALUES.filter((label) => fields[label] !== undefined);
  if (present.length > 1)
    throw invalidSenml(`a record with ${present.join(' and ')}`, 'one value in a record');
  const [label] = present;
  if (label === undefined) {
    if (bases.value === undefined && !hasSum) throw invalidSenml('a record without a value or sum');
    return bases.value;
  }
  const value = fields[label];
  if (label === 'v') {
    if (typeof value !== 'number') throw invalidSenml('v is not a number');
    return bases.value === undefined ? value : bases.value + value;
  }
  if (label === 'vb' && typeof value !== 'boolean') throw invalidSenml('vb is not true or false');
  if (label === 'vs' && typeof value !== 'string') throw invalidSenml('vs is not a text');
  return label === 'vd' ? dataOf(value) : value;
}

/** RFC 8428 §5: base64url without padding in JSON; §6: a byte string in CBOR. */
function dataOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== 'string' || !/^[A-Za-z0-9_-]*={0,2}$/.test(value))
    throw invalidSenml('vd is not base64url');
  return new Uint8Array(Buffer.from(value, 'base64url'));
}

function checkName(full: string, nameless: boolean): void {
  if (full === '' && nameless) return;
  if (full.length > MAX_NAME || !NAME.test(full)) {
    throw invalidSenml(
      `the name ${JSON.stringify(full.slice(0, 80))}`,
      'a name of letters, digits and - : . / _ that starts with a letter or digit (RFC 8428 §4.5.1)',
    );
  }
}

function textField(fields: Fields, label: keyof Fields): string | undefined {
  const value = fields[label];
  if (value === undefined || typeof value === 'string') return value;
  throw invalidSenml(`${label} is not a text`);
}

function numberField(fields: Fields, label: keyof Fields): number | undefined {
  const value = fields[label];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw invalidSenml(`${label} is not a number`);
}
