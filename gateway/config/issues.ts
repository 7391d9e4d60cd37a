import { GatewayError } from '../errors.ts';

/** Keys from the root of gateway.yaml to a value: `['streams', 0, 'id']`. */
export type Path = readonly (string | number)[];

/** One thing that is wrong (or doubtful) in a configuration file. Lines and columns count from 1. */
export interface ConfigIssue {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** `streams[0].id`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
  /** The value as written, shortened; undefined when something is missing. Never a secret. */
  readonly received: string | undefined;
  readonly expected: string;
  readonly fix: string;
}

/** What a check reports; the loader adds file, line and column from `path` and `at`. */
export interface Finding {
  readonly severity?: 'error' | 'warning';
  readonly path: Path;
  /** Whether the key itself is meant (an unknown key) or its value. Default: the value. */
  readonly at?: 'key' | 'value';
  readonly message: string;
  /** Shown as received in place of the value at `path`. */
  readonly received?: unknown;
  readonly expected: string;
  readonly fix: string;
}

/** A configuration that cannot be used, with every problem found in it. */
export class ConfigError extends GatewayError {
  readonly issues: readonly ConfigIssue[];

  constructor(file: string, issues: readonly ConfigIssue[]) {
    const errors = issues.filter((i) => i.severity === 'error');
    super('CONFIG_INVALID', `${file} has ${errors.length === 1 ? 'one error' : `${errors.length} errors`}`, {
      received: file,
      expected: 'a valid gateway.yaml',
    });
    this.name = 'ConfigError';
    this.issues = issues;
  }

  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), issues: this.issues };
  }
}

/** `streams[0].fields.value` of a path; keys that are no plain words are quoted. */
export function pathText(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[\w-]+$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

const MAX_SHOWN = 80;
/** Credentials inside an address: `mqtt://user:secret@host`. */
const USER_INFO = /:\/\/[^/@\s]+@/;

/** A value as a person wrote it, on one line, shortened, without credentials. */
export function show(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const text = (
    typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value))
  ).replace(USER_INFO, '://…@');
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…` : text;
}

/** The lines a person reads: where and what, then received, expected and fix. */
export function issueText(issue: ConfigIssue): string {
  const where = `${issue.file}:${issue.line}:${issue.column}`;
  return [
    `${where}: ${issue.severity}: ${issue.path === '' ? '' : `${issue.path}: `}${issue.message}`,
    `    received: ${issue.received ?? 'nothing'}`,
    `    expected: ${issue.expected}`,
    `    fix:      ${issue.fix}`,
  ].join('\n');
}
