import type { StreamConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import type { FieldValue, NewReading, ReadingValue } from '../../ports/reading.ts';
import { type CompiledField, compileField, describe, plainValue } from '../fields/field.ts';
import { ShapeTable } from '../fields/names.ts';
import { type Accessor, compilePath } from '../fields/path.ts';
import { compileTime } from '../fields/time.ts';
import { type DecodeContext, MAX_FIELDS, MAX_READINGS, stamp } from './decoder.ts';

/** Turns a decoded tree of objects, arrays and scalars (JSON, CBOR) into readings. */
export type TreeMapper = (root: unknown, context: DecodeContext) => NewReading[];

/**
 * A root array gives one reading per element, unless a configured path addresses the array itself (`$[0]`, or `$` of
 * type array). Anything else gives one reading.
 */
export function compileTree(stream: StreamConfig): TreeMapper {
  const time = stream.time && compileTime(stream.time);
  const read = stream.fields ? configuredReader(stream.fields) : plainReader(time?.member);
  const wholeArray = stream.fields !== undefined && addressesRootArray(stream);

  const one = (root: unknown, context: DecodeContext): NewReading =>
    stamp(context.device ?? context.fallbackDevice, time?.parse(time.read(root)), read(root), context);

  return (root, context) => {
    if (!Array.isArray(root) || wholeArray) return [one(root, context)];
    if (root.length === 0) throw new GatewayError('DECODE_EMPTY', 'the payload is an empty array');
    if (root.length > MAX_READINGS) throw tooMany(root.length);
    return root.map((element) => one(element, context));
  };
}

export const tooMany = (count: number): GatewayError =>
  new GatewayError('DECODE_LIMIT', `the payload holds ${count} readings`, {
    received: count,
    expected: `at most ${MAX_READINGS}`,
  });

function addressesRootArray(stream: StreamConfig): boolean {
  const fields = Object.entries(stream.fields ?? {});
  return fields.some(([name, field]) => {
    const { steps } = compilePath(field.path ?? memberPath(name));
    return steps.length === 0 ? field.type === 'array' : typeof steps[0] === 'number';
  });
}

/** The default path of a field: the root's member of its name. */
const memberPath = (name: string): string => `$[${JSON.stringify(name)}]`;

function configuredReader(config: NonNullable<StreamConfig['fields']>): (root: unknown) => ReadingValue {
  const names = Object.freeze(Object.keys(config));
  const fields: readonly CompiledField[] = names.map((name) => compileField(name, config[name]!));
  const accessors: readonly Accessor[] = names.map((name) =>
    accessorOf(name, config[name]!.path, names.length),
  );
  return (root) => {
    // Not grown by push, which leaves room for more: it waits in memory until it is judged.
    const values = new Array<FieldValue>(fields.length);
    let present = false;
    for (let i = 0; i < fields.length; i++) {
      const value = fields[i]!.convert(accessors[i]!(root));
      if (value !== null) present = true;
      values[i] = value;
    }
    if (!present) throw new GatewayError('DECODE_FIELD', 'none of the fields of the stream is there');
    return { fields: names, values };
  };
}

/** The only field of a stream, without a path of its own, also takes a payload that is nothing but the value. */
function accessorOf(name: string, path: string | undefined, count: number): Accessor {
  const { read } = compilePath(path ?? memberPath(name));
  if (path !== undefined || count !== 1) return read;
  return (root) => (typeof root === 'object' && root !== null ? read(root) : root);
}

/** Every scalar and numeric array of an object under its own name; a bare value is `value`. */
function plainReader(timeMember: string | undefined): (root: unknown) => ReadingValue {
  const shapes = new ShapeTable();
  const scratch: string[] = [];
  return (root) => {
    const values: FieldValue[] = [];
    let count = 0;
    if (typeof root === 'object' && root !== null && !ArrayBuffer.isView(root) && !Array.isArray(root)) {
      const object = root as Record<string, unknown>;
      for (const name in object) {
        if (name === timeMember) continue;
        const raw = object[name];
        const value = plainValue(name, Array.isArray(raw) ? numbersOf(raw) : raw);
        if (value === undefined) continue;
        if (count === MAX_FIELDS) throw tooManyFields();
        scratch[count++] = name;
        values.push(value);
      }
    } else {
      const value = plainValue('value', Array.isArray(root) ? numbersOf(root) : root);
      if (value !== undefined) {
        scratch[count++] = 'value';
        values.push(value);
      }
    }
    if (count === 0) {
      throw new GatewayError('DECODE_FIELD', `${describe(root)} holds no value`, {
        received: describe(root),
        expected: 'a number, a text, a boolean, or an object with some of them',
      });
    }
    return { fields: shapes.intern(scratch, count), values };
  };
}

export const tooManyFields = (): GatewayError =>
  new GatewayError('DECODE_LIMIT', `the payload has more than ${MAX_FIELDS} fields`, {
    expected: `at most ${MAX_FIELDS}, or the wanted ones under \`fields\` of the stream`,
  });

/** An array of numbers alone; undefined for any other array, which is no value of a reading. */
function numbersOf(array: readonly unknown[]): Float64Array | undefined {
  if (array.length === 0) return undefined;
  for (const value of array) if (typeof value !== 'number') return undefined;
  return Float64Array.from(array as readonly number[]);
}
