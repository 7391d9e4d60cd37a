import type { z } from 'zod';
import type { Finding, Path } from './issues.ts';
import { describeSetting, knownKeys, schemasAt } from './json-schema.ts';
import { suggest } from './suggest.ts';

type Issue = z.core.$ZodIssue;

/** Turns what zod says about a value into findings that tell what was expected and how to mend it. */
export function shapeFindings(issues: readonly Issue[], at: (path: Path) => unknown): Finding[] {
  return issues.flatMap((issue) => explain(issue, [], at));
}

function explain(issue: Issue, prefix: Path, at: (path: Path) => unknown): Finding[] {
  const path: Path = [...prefix, ...(issue.path as (string | number)[])];
  const value = at(path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey([...path, key]));
    case 'invalid_union':
      return explainUnion(issue.errors as Issue[][], path, at);
    case 'invalid_type':
      return [wrongType(path, value, issue.expected)];
    case 'invalid_value':
      return [notOneOf(path, value, issue.values.map(String))];
    case 'too_small':
    case 'too_big': {
      const bound = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
      const counted = { array: ' entries', string: ' characters' }[issue.origin as string] ?? '';
      return [plain(path, `${issue.code === 'too_small' ? 'too small' : 'too large'}`, `${bound}${counted}`)];
    }
    default:
      return [plain(path, 'not accepted', phrase(issue.message))];
  }
}

function plain(path: Path, message: string, expected: string): Finding {
  return { path, message, expected, fix: `write ${expected}${meaning(path)}` };
}

function unknownKey(path: Path): Finding {
  const key = String(path.at(-1));
  const known = knownKeys(path.slice(0, -1));
  const meant = suggest(key, known);
  return {
    path,
    at: 'key',
    message: `unknown key ${JSON.stringify(key)}${meant ? `; did you mean ${JSON.stringify(meant)}?` : ''}`,
    received: key,
    expected: known.length > 0 ? `one of ${known.join(', ')}` : 'no keys here',
    fix: meant ? `rename it to ${JSON.stringify(meant)}` : 'remove it',
  };
}

function wrongType(path: Path, value: unknown, wanted: string): Finding {
  const expected = TYPE_NAMES[wanted] ?? wanted;
  if (value === undefined) {
    const key = String(path.at(-1));
    return {
      path,
      message: `${JSON.stringify(key)} is missing`,
      received: undefined,
      expected,
      fix: `add "${key}: …"${meaning(path)}`,
    };
  }
  return { path, message: `not ${expected}`, expected, fix: fixType(value, wanted, expected, path) };
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a mapping (key: value)',
  record: 'a mapping (key: value)',
  array: 'a list',
};

function fixType(value: unknown, wanted: string, expected: string, path: Path): string {
  if (wanted === 'boolean' && typeof value === 'string' && /^(yes|no|on|off|true|false)$/i.test(value)) {
    return `write ${/^(yes|on|true)$/i.test(value) ? 'true' : 'false'} (without quotes)`;
  }
  if (
    (wanted === 'number' || wanted === 'int') &&
    typeof value === 'string' &&
    Number.isFinite(Number(value))
  ) {
    return 'remove the quotes';
  }
  if (wanted === 'string' && typeof value === 'number') return 'put it in quotes';
  if (wanted === 'array') return 'write a list: each entry on its own line, beginning with "- "';
  return `write ${expected}${meaning(path)}`;
}

function notOneOf(path: Path, value: unknown, choices: readonly string[]): Finding {
  const expected = choices.length === 1 ? choices[0]! : `one of ${choices.join(', ')}`;
  if (value === undefined) return wrongType(path, value, expected);
  const meant = suggest(String(value), choices);
  return {
    path,
    message: `not accepted${meant ? `; did you mean ${JSON.stringify(meant)}?` : ''}`,
    expected,
    fix: `write ${meant ?? expected}${meant ? '' : meaning(path)}`,
  };
}

/** The issues of the alternative that was most probably meant, or one finding that names all alternatives. */
function explainUnion(options: Issue[][], path: Path, at: (path: Path) => unknown): Finding[] {
  const value = at(path);
  const literals = options.flatMap((option) =>
    option[0]?.code === 'invalid_value' && option[0].path.length === 0 ? option[0].values.map(String) : [],
  );
  if (literals.length > 0) return [notOneOf(path, value, literals)];
  const fitting = options.filter(
    (option) => !option.some((i) => i.path.length === 0 && i.code === 'invalid_type'),
  );
  if (fitting.length === 0) {
    const types = options.flatMap((o) =>
      o[0]?.code === 'invalid_type' ? [TYPE_NAMES[o[0].expected] ?? ''] : [],
    );
    if (value === undefined) return [wrongType(path, value, types.join(' or '))];
    return [
      { path, message: 'not accepted', expected: types.join(' or '), fix: `write ${types.join(' or ')}` },
    ];
  }
  const cost = (option: readonly Issue[]): number =>
    option.reduce((sum, i) => sum + (i.code === 'unrecognized_keys' ? i.keys.length : 1), 0);
  const best = Math.min(...fitting.map(cost));
  const closest = fitting.filter((option) => cost(option) === best);
  if (closest.length === 1) return closest[0]!.flatMap((issue) => explain(issue, path, at));
  const required = schemasAt(path).flatMap((schema) => (schema.required as string[] | undefined) ?? []);
  const expected = `exactly one of ${[...new Set(required)].join(', ')}`;
  const findings: Finding[] = [{ path, message: 'no alternative fits', expected, fix: `write ${expected}` }];
  const known = new Set(knownKeys(path));
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  return [...findings, ...keys.filter((key) => !known.has(key)).map((key) => unknownKey([...path, key]))];
}

/** What the setting is for, to go with a fix. */
function meaning(path: Path): string {
  const description = describeSetting(path);
  return description === '' ? '' : ` (${description})`;
}

/** zod's own words, made to read as what was expected. */
function phrase(message: string): string {
  return message.replace(/^(expected|Invalid string: must match pattern) /, (_, word: string) =>
    word === 'expected' ? '' : 'text that matches ',
  );
}
