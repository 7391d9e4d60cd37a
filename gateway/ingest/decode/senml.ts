import type { StreamConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import type { FieldValue, NewReading, ReadingValue } from '../../ports/reading.ts';
import { checkDeviceName } from '../device-name.ts';
import { type CompiledField, compileField, plainValue } from '../fields/field.ts';
import { ShapeTable } from '../fields/names.ts';
import { compilePath } from '../fields/path.ts';
import { readCbor } from './cbor-reader.ts';
import { type DecodeContext, type Decoder, MAX_FIELDS, stamp } from './decoder.ts';
import { parseJson } from './json.ts';
import { invalidSenml, type SenmlRecord, SenmlResolver } from './senml-resolve.ts';
import { tooManyFields } from './tree.ts';

/** RFC 8428 §6, table 4: integer labels, as the CBOR reader spells integer keys. */
const CBOR_LABELS: ReadonlyMap<string, string> = new Map([
  ['-1', 'bver'],
  ['-2', 'bn'],
  ['-3', 'bt'],
  ['-4', 'bu'],
  ['-5', 'bv'],
  ['-6', 'bs'],
  ['0', 'n'],
  ['1', 'u'],
  ['2', 'v'],
  ['3', 'vs'],
  ['4', 'vb'],
  ['5', 's'],
  ['6', 't'],
  ['7', 'ut'],
  ['8', 'vd'],
]);

/** A record costs some 2 µs, wanted or not: a pack holds everybody up for 20 ms at most. */
const MAX_RECORDS = 10_000;

/** Appended to the name of a record to name the field of its sum. */
const SUM = '.sum';

export const senmlJsonDecoder = (stream: StreamConfig): Decoder => senmlDecoder(stream, parseJson, undefined);

export const senmlCborDecoder = (stream: StreamConfig): Decoder =>
  senmlDecoder(stream, readCbor, CBOR_LABELS);

/**
 * SenML (RFC 8428). Records of one base name and time are one reading, their names its fields. The address names the
 * device; where it does not, the base name does (without a trailing separator), else the record's name.
 */
function senmlDecoder(
  stream: StreamConfig,
  parse: (payload: Uint8Array) => unknown,
  labels: ReadonlyMap<string, string> | undefined,
): Decoder {
  const shape = stream.fields ? configuredShape(stream.fields) : plainShape();
  return (payload, context) => {
    const groups = groupRecords(parse(payload), context, labels, stream.fields ? Infinity : MAX_FIELDS);
    const readings: NewReading[] = [];
    for (const group of groups) {
      const value = shape(group);
      if (value === null) continue;
      const first = group[0]!;
      readings.push(stamp(deviceOf(first, context), first.time, value, context));
    }
    if (readings.length === 0) {
      throw new GatewayError('DECODE_FIELD', 'no record of the pack is a field of the stream', {
        received: groups[0]![0]!.baseName + groups[0]![0]!.name,
      });
    }
    return readings;
  };
}

/** Rounds of one base name and time: a name that comes again there begins the next. */
interface Place {
  readonly rounds: SenmlRecord[][];
  readonly seen: Map<string, number>;
}

/**
 * Records in order of the pack; a name that comes again at the same time begins a further reading, so that no value
 * is lost. Ends at the first record too many: a pack that nothing comes of must not cost more than one of use.
 * @throws GatewayError DECODE_SYNTAX, DECODE_LIMIT, DECODE_EMPTY
 */
function groupRecords(
  pack: unknown,
  context: DecodeContext,
  labels: ReadonlyMap<string, string> | undefined,
  maxRecords: number,
): SenmlRecord[][] {
  if (!Array.isArray(pack)) throw invalidSenml('it is not an array of records');
  if (pack.length > MAX_RECORDS) {
    throw new GatewayError('DECODE_LIMIT', `the pack holds ${pack.length} records`, {
      received: pack.length,
      expected: `at most ${MAX_RECORDS}`,
      fix: 'Send several packs.',
    });
  }
  const resolver = new SenmlResolver(context.arrival, context.device !== undefined, labels);
  const groups: SenmlRecord[][] = [];
  const places = new Map<string, Place>();
  let last: SenmlRecord | undefined;
  let place: Place | undefined;
  for (const entry of pack) {
    const record = resolver.next(entry);
    if (record === undefined) continue;
    if (place === undefined || record.time !== last!.time || record.baseName !== last!.baseName)
      place = placeOf(record, places);
    last = record;
    const round = place.seen.get(record.name) ?? 0;
    place.seen.set(record.name, round + 1);
    let group = place.rounds[round];
    if (group === undefined) {
      group = [];
      place.rounds.push(group);
      groups.push(group);
    }
    group.push(record);
    if (group.length > maxRecords) throw tooManyFields();
  }
  if (groups.length === 0) throw new GatewayError('DECODE_EMPTY', 'the pack holds no measurement');
  return groups;
}

function placeOf({ time, baseName }: SenmlRecord, places: Map<string, Place>): Place {
  const key = `${time ?? 'now'} ${baseName}`;
  let place = places.get(key);
  if (place === undefined) {
    place = { rounds: [], seen: new Map() };
    places.set(key, place);
  }
  return place;
}

function deviceOf(record: SenmlRecord, context: DecodeContext): string {
  if (context.device !== undefined) return context.device;
  const base = record.baseName.replace(/[-:./_]+$/, '');
  if (base === '') return context.fallbackDevice;
  // RFC 8428 names may hold slashes and no percent sign; device names may not hold slashes.
  return checkDeviceName(base.replaceAll('/', '%2F'));
}

/** A record's own name; `value` for one that has only a base name. */
const fieldName = (record: SenmlRecord): string => (record.name === '' ? 'value' : record.name);

type Shape = (group: readonly SenmlRecord[]) => ReadingValue | null;

function plainShape(): Shape {
  const shapes = new ShapeTable();
  return (group) => {
    const names: string[] = [];
    const values: FieldValue[] = [];
    for (const record of group) {
      const name = fieldName(record);
      if (record.value !== undefined) {
        names.push(name);
        values.push(plainValue(name, record.value) as FieldValue);
      }
      if (record.sum !== undefined) {
        names.push(name + SUM);
        values.push(plainValue(name, record.sum) as FieldValue);
      }
    }
    if (names.length > MAX_FIELDS) throw tooManyFields();
    if (new Set(names).size !== names.length) {
      throw new GatewayError('DECODE_NAME', 'two values of the pack would be one field', {
        received: names.join().slice(0, 200),
      });
    }
    return { fields: shapes.intern(names, names.length), values };
  };
}

/**
 * Fields by record name: the `path` of the field when it is a name, else the name of the field or the last member of
 * its JSON path, so that one stream takes JSON and SenML alike. A lone field also takes a record without a name.
 */
function configuredShape(config: NonNullable<StreamConfig['fields']>): Shape {
  const fields = Object.entries(config).map(([name, field]) => compileField(name, field));
  const names = Object.freeze(fields.map((field) => field.name));
  const byRecord = recordNames(fields);
  return (group) => {
    const raw: unknown[] = new Array(fields.length).fill(undefined);
    const units: (string | undefined)[] = new Array(fields.length).fill(undefined);
    let known = false;
    for (const record of group) {
      known = take(record, record.value, '') || known;
      known = take(record, record.sum, SUM) || known;
    }
    return known
      ? { fields: names, values: fields.map((field, i) => field.convert(raw[i], units[i])) }
      : null;

    function take(record: SenmlRecord, value: unknown, suffix: string): boolean {
      if (value === undefined) return false;
      const index =
        byRecord.get(fieldName(record) + suffix) ?? byRecord.get(record.baseName + record.name + suffix);
      if (index === undefined) return false;
      raw[index] = value;
      units[index] = typeof value === 'number' ? record.unit : undefined;
      return true;
    }
  };
}

function recordNames(fields: readonly CompiledField[]): ReadonlyMap<string, number> {
  const names = new Map<string, number>();
  const add = (name: string, index: number): void => {
    if (!names.has(name)) names.set(name, index);
  };
  for (const [index, { config, name }] of fields.entries()) {
    if (config.path !== undefined && !config.path.startsWith('$')) add(config.path, index);
    else add(name, index);
  }
  for (const [index, { config, name }] of fields.entries()) {
    add(name, index);
    const last = config.path?.startsWith('$') ? compilePath(config.path).steps.at(-1) : undefined;
    if (typeof last === 'string') add(last, index);
  }
  if (fields.length === 1) add('value', 0);
  return names;
}
