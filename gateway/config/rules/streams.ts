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
  if (stream.time && (stream.decode === 'raw' || stream.decode === 'text')) {
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
  return Object.entries(stream.fields ?? {}).flatMap(([name, field]) => {
    const at: Path = [...path, 'fields', name];
    return [...ranges(at, field), ...channel(at, field, stream), ...fieldPath(at, field, stream)];
  });
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

function channel(at: Path, field: FieldConfig, stream: StreamConfig): Finding[] {
  if (field.channel === undefined) return [];
  const channels = stream.raw?.channels ?? 1;
  if (stream.decode !== 'raw') {
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
  if (field.channel < channels) return [];
  return [
    {
      path: [...at, 'channel'],
      message: `the payload has ${channels} ${channels === 1 ? 'channel' : 'channels'}, counted from 0`,
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

const JSON_PATH = /^\$?(\.?[A-Za-z_][\w-]*|\[\d+\]|\["[^"]+"\]|\['[^']+'\])*$/;

/** The subset of RFC 9535 that names exactly one value: members and non-negative indexes. */
function jsonPathProblem(path: string): string | undefined {
  if (path === '') return 'the path is empty';
  if (/\*|\.\.|\?|:/.test(path)) return 'wildcards, slices and filters can name several values';
  return JSON_PATH.test(path) ? undefined : 'not a JSONPath';
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
