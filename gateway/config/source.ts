import {
  type Document,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from 'yaml';
import { type ConfigIssue, type Finding, type Path, pathText, show } from './issues.ts';

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A YAML text that remembers where each of its values stands. */
export interface YamlSource {
  readonly file: string;
  readonly document: Document;
  /** The plain values; `{}` for an empty file, undefined when the text cannot be read as YAML. */
  readonly value: unknown;
  /** Syntax errors, duplicate keys and warnings of the YAML reader. */
  readonly issues: readonly ConfigIssue[];
  /** Position of a value or its key; of the nearest thing around it when it is not in the file. */
  position(path: Path, at?: 'key' | 'value'): Position;
  /** The plain value at a path, undefined when it is not in the file. */
  at(path: Path): unknown;
  issue(finding: Finding): ConfigIssue;
}

/** Aliases may multiply a small text into a huge value ("billion laughs"). */
const MAX_ALIASES = 100;

/** Reads YAML 1.2 text. Never throws. */
export function readYaml(text: string, file: string): YamlSource {
  const counter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: counter,
    prettyErrors: false,
    uniqueKeys: true,
    logLevel: 'error',
  });
  const issues: ConfigIssue[] = [];
  let usable = true;
  const complain = (severity: ConfigIssue['severity'], offset: number, rest: Complaint): void => {
    const { line, col } = counter.linePos(offset);
    issues.push({ severity, file, line, column: col, path: '', ...rest });
  };
  for (const error of document.errors) {
    if (error.code === 'DUPLICATE_KEY') {
      const key = /^[^\s:]+/.exec(text.slice(error.pos[0]))?.[0] ?? '';
      complain('error', error.pos[0], duplicateKey(key));
    } else {
      usable = false;
      complain('error', error.pos[0], syntax(error.message, text, error.pos[0]));
    }
  }
  for (const warning of document.warnings) {
    complain('warning', warning.pos[0], syntax(warning.message, text, warning.pos[0]));
  }
  let value: unknown;
  if (usable) {
    try {
      value = document.toJS({ maxAliasCount: MAX_ALIASES }) ?? {};
    } catch (error) {
      complain('error', 0, {
        message: error instanceof Error ? error.message : String(error),
        received: undefined,
        expected: `at most ${MAX_ALIASES} uses of aliases (*name)`,
        fix: 'write the values out',
      });
    }
  }
  const position = (path: Path, at: 'key' | 'value' = 'value'): Position => {
    const { line, col } = counter.linePos(offsetOf(document, path, at));
    return { line, column: col };
  };
  const lookup = (path: Path): unknown => {
    let current: unknown = value;
    for (const step of path) {
      if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return undefined;
      current = (current as Record<string | number, unknown>)[step];
    }
    return current;
  };
  return {
    file,
    document,
    value,
    issues,
    position,
    at: lookup,
    issue(finding) {
      const received = 'received' in finding ? finding.received : lookup(finding.path);
      return {
        severity: finding.severity ?? 'error',
        file,
        ...position(finding.path, finding.at),
        path: pathText(finding.path),
        message: finding.message,
        received: show(received),
        expected: finding.expected,
        fix: finding.fix,
      };
    },
  };
}

type Complaint = Pick<ConfigIssue, 'message' | 'received' | 'expected' | 'fix'>;

function duplicateKey(key: string): Complaint {
  return {
    message: `the key ${JSON.stringify(key)} stands twice`,
    received: show(key),
    expected: 'each key once',
    fix: 'remove one of the two, or put them together',
  };
}

function syntax(message: string, text: string, offset: number): Complaint {
  const line = text.slice(offset).split('\n', 1)[0] ?? '';
  const tab = /^\s*\t/.test(text.slice(text.lastIndexOf('\n', offset - 1) + 1));
  return {
    message: message.replace(/\s+/g, ' '),
    received: show(line),
    expected: 'YAML 1.2',
    fix: tab
      ? 'indent with spaces, not tabs'
      : 'mend the YAML here: indentation, quotes, a missing ":" or "- "',
  };
}

/** Offset of the value (or key) at `path`, or of the innermost part of it that exists. */
function offsetOf(document: Document, path: Path, at: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = start(node) ?? 0;
  for (let i = 0; i < path.length; i++) {
    const step = path[i]!;
    const last = i === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && keyText(item.key) === String(step));
      if (!pair) return offset;
      const key = start(pair.key) ?? offset;
      const value = isScalar(pair.value) && pair.value.source === '' ? undefined : start(pair.value);
      offset = last && at === 'key' ? key : (value ?? key);
      // A missing entry of a nested mapping is best shown at the key that opens the mapping.
      if (!last && isMap(pair.value) && !pair.value.flow && !has(pair.value, path[i + 1]!)) offset = key;
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      offset = start(node) ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

const keyText = (key: unknown): string => (isScalar(key) ? String(key.value) : String(key));
const has = (node: Node, step: string | number): boolean =>
  isMap(node) && node.items.some((item) => isPair(item) && keyText(item.key) === String(step));
const start = (node: unknown): number | undefined => (isNode(node) && node.range ? node.range[0] : undefined);
