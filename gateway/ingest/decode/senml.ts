import type { StreamConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import type { FieldValue, NewReading, ReadingValue } from '../../ports/reading.ts';
import { checkDeviceName } from '../device-name.ts';
import { type CompiledField, compileField, plainValue } from '../fields/field.ts';
import { ShapeTable } from '../fields/names.ts';
import { compilePath } from '../fields/path.ts';
import { readCbor } from './cbor-reader.ts';
import { type DecodeContext, type Decoder, MAX_FIELDS, MAX_READINGS, stamp } from './decoder.ts';
import { parseJson } from './json.ts';
import { resolveSenml, type SenmlRecord } from './senml-resolve.ts';
import { tooMany, tooManyFields } from './tree.ts';

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
    const nameless = context.device !== undefined;
    const records = resolveSenml(parse(payload), context.arrival, nameless, labels);
    if (records.length === 0) throw new GatewayError('DECODE_EMPTY', 'the pack holds no measurement');
    const groups = groupRecords(records);
    if (groups.size > MAX_READINGS) throw tooMany(groups.size);
    const readings: NewReading[] = [];
    for (const group of groups.values()) {
      const value = shape(group);
      if (value === null) continue;
      const first = group[0]!;
      readings.push(stamp(deviceOf(first, context), first.time, value, context));
    }
    if (readings.length === 0) {
      throw new GatewayError('DECODE_FIELD', 'no record of the pack is a field of the stream', {
        received: records[0]!.baseName + records[0]!.name,
      });
    }
    return readings;
  };
}

/**
 * Records in order of the pack; a name that comes again at the same time begins a further reading, so that no value
 * is lost.
 */
function groupRecords(records: readonly SenmlRecord[]): Map<string, SenmlRecord[]> {
  const groups = new Map<string, SenmlRecord[]>();
  const seen = new Map<string, number>();
  for (const record of records) {
    const place = `${record.time ?? 'now'} ${record.baseName}`;
    const own = `${place} ${record.name}`;
    const round = seen.get(own) ?? 0;
    seen.set(own, round + 1);
    const key = `${round} ${place}`;
    const group = groups.get(key);
    if (group) group.push(record);
    else groups.set(key, [record]);
  }
  return groups;
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
