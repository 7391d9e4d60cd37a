import { GatewayError } from '../../errors.ts';
import { checkFieldName } from '../../ingest/fields/names.ts';
import { compilePath } from '../../ingest/fields/path.ts';
import type { Finding, Path } from '../issues.ts';
import type { FieldConfig, StreamConfig } from '../schema.ts';
import { suggest } from '../suggest.ts';
import type { Draft } from './draft.ts';

/** Settings of a stream fit its decoder and each other. */
export function streamRules(draft: Draft): Finding[] {
  const findings = draft.streams.flatMap((stream) =>
    stream.config
      ? [...decoderSections(draft, stream.path, stream.config), ...fieldFindings(stream.path, stream.config)]
      : [],
  );
  return [...findings, ...fieldReferences(draft)];
}

function decoderSections(draft: Draft, path: Path, stream: StreamConfig): Finding[] {
  const findings: Finding[] = [];
  for (const name of ['raw', 'csv'] as const) {
    if (stream.decode !== name && draft.at([...path, name]) !== undefined) {
      findings.push({
        path: [...path, name],
        at: 'key',
        message: `"${name}" has no effect with decode: ${stream.decode}`,
        received: name,
        expected: `decode: ${name}`,
        fix: `remove "${name}", or set decode: ${name}`,
      });
    }
  }
  if (stream.time && ['raw', 'text', 'bytes'].includes(stream.decode)) {
    findings.push({
      path: [...path, 'time'],
      at: 'key',
      message: `a ${stream.decode} payload holds no time`,
      received: 'time',
      expected: 'no "time": the time of arrival is used',
      fix: 'remove "time"',
    });
  } else if (stream.time && (stream.decode === 'json' || stream.decode === 'cbor')) {
    const problem = jsonPathProblem(stream.time.path);
    if (problem) findings.push(badPath([...path, 'time', 'path'], problem));
  }
  return findings;
}

function fieldFindings(path: Path, stream: StreamConfig): Finding[] {
  return Object.entries(stream.fields ?? {}).flatMap(([name, field], index) => {
    const at: Path = [...path, 'fields', name];
    return [
      ...fieldName(at, name),
      ...ranges(at, field),
      ...channel(at, field, stream, index),
      ...modelValue(at, field, stream, index),
      ...fieldPath(at, field, stream),
    ];
  });
}

function fieldName(at: Path, name: string): Finding[] {
  const problem = problemOf(() => checkFieldName(name));
  if (problem === undefined) return [];
  return [
    {
      path: at,
      at: 'key',
      message: problem,
      received: name,
      expected: 'a plain name',
      fix: 'choose another name',
    },
  ];
}

function ranges(at: Path, field: FieldConfig): Finding[] {
  const findings: Finding[] = [];
  if (field.min !== undefined && field.max !== undefined && field.min >= field.max) {
    findings.push({
      path: [...at, 'max'],
      message: `max must be above min (${field.min})`,
      expected: `a number above ${field.min}`,
      fix: 'swap min and max, or mend one of them',
    });
  }
  const numeric = field.type === 'number' || field.type === 'array';
  for (const key of ['min', 'max', 'scale', 'offset', 'unit'] as const) {
    if (!numeric && field[key] !== undefined) {
      findings.push({
        path: [...at, key],
        at: 'key',
        message: `"${key}" needs a number, the field is a ${field.type}`,
        received: key,
        expected: 'type: number or type: array',
        fix: `remove "${key}", or set type: number`,
      });
    }
  }
  if (field.scale === 0) {
    findings.push({
      path: [...at, 'scale'],
      message: 'a scale of 0 makes every value the same',
      expected: 'a number other than 0',
      fix: 'mend the scale',
    });
  }
  return findings;
}

/** Values for models: opaque ones, and tensors with their datatype. */
function modelValue(at: Path, field: FieldConfig, stream: StreamConfig, index: number): Finding[] {
  if (stream.decode === 'bytes') {
    if (field.type === 'bytes' && index === 0) return [];
    return [
      {
        path: at,
        at: 'key',
        message: 'the payload is one opaque value',
        expected: 'one field of type: bytes, or no "fields"',
        fix: index === 0 ? 'set type: bytes' : 'remove the field',
      },
    ];
  }
  const { type, datatype } = field;
  const tree = stream.decode === 'json' || stream.decode === 'cbor';
  if ((type === 'bytes' || type === 'tensor') && !tree) {
    return [
      {
        path: [...at, 'type'],
        message: `a ${stream.decode} payload holds no ${type}`,
        received: type,
        expected: 'decode: json or cbor',
        fix: 'use type: number or type: array, or another decoder',
      },
    ];
  }
  if ((type === 'tensor') === (datatype !== undefined)) return [];
  return [
    {
      path: type === 'tensor' ? [...at, 'type'] : [...at, 'datatype'],
      at: type === 'tensor' ? 'value' : 'key',
      message:
        type === 'tensor' ? 'a tensor needs its datatype' : `"datatype" has no effect with type: ${type}`,
      received: type,
      expected: 'type: tensor with a datatype such as FP32, INT64 or BYTES',
      fix: type === 'tensor' ? 'add datatype: …' : 'remove "datatype", or set type: tensor',
    },
  ];
}

/** Without `channel` the fields of raw samples take the channels in order. */
function channel(at: Path, field: FieldConfig, stream: StreamConfig, index: number): Finding[] {
  if (stream.decode !== 'raw') {
    if (field.channel === undefined) return [];
    return [
      {
        path: [...at, 'channel'],
        at: 'key',
        message: `"channel" has no effect with decode: ${stream.decode}`,
        received: 'channel',
        expected: 'decode: raw',
        fix: 'remove "channel"',
      },
    ];
  }
  const channels = stream.raw?.channels ?? 1;
  const wanted = field.channel ?? index;
  if (wanted < channels) return [];
  return [
    {
      path: field.channel === undefined ? at : [...at, 'channel'],
      at: field.channel === undefined ? 'key' : 'value',
      message: `the payload has ${channels} ${channels === 1 ? 'channel' : 'channels'}, counted from 0; this wants ${wanted}`,
      received: wanted,
      expected: `at most ${channels - 1}`,
      fix: 'mend the channel, or raise raw.channels',
    },
  ];
}

function fieldPath(at: Path, field: FieldConfig, stream: StreamConfig): Finding[] {
  if (field.path === undefined) return [];
  if (stream.decode !== 'json' && stream.decode !== 'cbor') return [];
  const problem = jsonPathProblem(field.path);
  return problem ? [badPath([...at, 'path'], problem)] : [];
}

function badPath(path: Path, message: string): Finding {
  return {
    path,
    message,
    expected: 'a JSONPath of names and indexes: $.a.b[0] or $["a b"]',
    fix: 'write $.name for the member "name" of the payload',
  };
}

/** The intake's own parser decides, so that what passes here also starts. */
function jsonPathProblem(path: string): string | undefined {
  return path === '' ? 'the path is empty' : problemOf(() => compilePath(path));
}

function problemOf(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof GatewayError) return error.message;
    throw error;
  }
}

/** Fields named by pipelines and aggregates exist where the stream lists its fields. */
function fieldReferences(draft: Draft): Finding[] {
  const known = new Map(
    draft.streams.flatMap((s) => (s.id && s.config?.fields ? [[s.id, Object.keys(s.config.fields)]] : [])),
  );
  const check = (path: Path, names: readonly string[] | undefined, from: string): Finding[] => {
    const fields = known.get(from);
    if (!fields) return [];
    return (names ?? []).flatMap((name, index) => {
      if (fields.includes(name)) return [];
      const meant = suggest(name, fields);
      return [
        {
          path: [...path, 'fields', index],
          message: `the stream ${from} has no field ${JSON.stringify(name)}${meant ? `; did you mean ${JSON.stringify(meant)}?` : ''}`,
          expected: `one of ${fields.join(', ')}`,
          fix: meant ? `write ${meant}` : 'name a field of the stream',
        },
      ];
    });
  };
  return [
    ...draft.pipelines.flatMap((p) =>
      p.config && typeof p.config.from === 'string' ? check(p.path, p.config.fields, p.config.from) : [],
    ),
    ...draft.aggregates.flatMap((a) => (a.config ? check(a.path, a.config.fields, a.config.from) : [])),
  ];
}
