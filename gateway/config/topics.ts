/** Grammar of the topic filters, CoAP paths and topic templates of gateway.yaml (MQTT 3.1.1 §4.7 plus captures). */

export interface Pattern {
  /** One entry a level: literal text, `{name}`, `+`, or `#` at the end. */
  readonly levels: readonly string[];
  /** Names of the captures, in order. */
  readonly captures: readonly string[];
}

export type PatternResult = { readonly pattern: Pattern } | { readonly problem: string };

const CAPTURE = /^\{([A-Za-z][A-Za-z0-9_]{0,31})\}$/;
const MAX_LEVELS = 32;
/** [MQTT-4.7.3-3] */
const MAX_TOPIC_BYTES = 65_535;

/** Parses an MQTT filter with `{name}` captures, each of which takes a whole level. */
export function parseFilter(text: string): PatternResult {
  if (text === '') return { problem: 'the topic is empty' };
  if (text.includes('\0')) return { problem: 'a topic cannot hold the NUL character' };
  if (Buffer.byteLength(text) > MAX_TOPIC_BYTES) return { problem: `longer than ${MAX_TOPIC_BYTES} bytes` };
  const levels = text.split('/');
  if (levels.length > MAX_LEVELS) return { problem: `more than ${MAX_LEVELS} levels` };
  const captures: string[] = [];
  for (const [index, level] of levels.entries()) {
    const problem = levelProblem(level, index === levels.length - 1);
    if (problem) return { problem };
    const name = CAPTURE.exec(level)?.[1];
    if (name === undefined) continue;
    if (captures.includes(name)) return { problem: `{${name}} stands twice` };
    captures.push(name);
  }
  return { pattern: { levels, captures } };
}

function levelProblem(level: string, last: boolean): string | undefined {
  if (level === '#') return last ? undefined : '"#" may only stand at the end';
  if (level === '+' || CAPTURE.test(level)) return undefined;
  if (level.includes('#') || level.includes('+')) {
    return `${JSON.stringify(level)}: "+" and "#" must stand alone between the slashes`;
  }
  if (/[{}]/.test(level)) {
    return `${JSON.stringify(level)}: a capture such as {device} must fill the whole level between the slashes`;
  }
  return undefined;
}

/** Parses a CoAP path with captures: begins with "/", no wildcards, no empty segment. */
export function parseCoapPath(text: string): PatternResult {
  if (!text.startsWith('/')) return { problem: 'a CoAP path begins with "/"' };
  const result = parseFilter(text.slice(1));
  if ('problem' in result) return result;
  if (result.pattern.levels.some((level) => level === '+' || level === '#')) {
    return { problem: 'CoAP paths have no wildcards' };
  }
  if (result.pattern.levels.includes('')) return { problem: 'a segment is empty' };
  return result;
}

/** Problem of a topic to publish to, in which only the `allowed` placeholders may stand; undefined when it is fine. */
export function templateProblem(text: string, allowed: readonly string[]): string | undefined {
  if (text === '') return 'the topic is empty';
  if (/[+#\0]/.test(text)) return 'a topic to publish to has no wildcards';
  if (text.startsWith('$')) return 'topics that begin with "$" belong to the broker';
  for (const match of text.matchAll(/\{([^{}]*)\}/g)) {
    if (!allowed.includes(match[1]!)) return `{${match[1]}} is not known here`;
  }
  return /[{}]/.test(text.replaceAll(/\{[^{}]*\}/g, '')) ? 'a brace is left open' : undefined;
}

/** Whether some topic matches both filters; captures count as `+`. */
export function overlap(a: Pattern, b: Pattern): boolean {
  const wild = (level: string): boolean => level === '+' || level === '#' || CAPTURE.test(level);
  // [MQTT-4.7.2-1]: wildcards at the first level do not match topics that begin with "$".
  const first = [a.levels[0]!, b.levels[0]!];
  if (first.some(wild) && first.some((level) => level.startsWith('$'))) return false;
  for (let i = 0; ; i++) {
    const x = a.levels[i];
    const y = b.levels[i];
    // "a/#" also matches its parent "a" (MQTT 3.1.1 §4.7.1.2).
    if (x === '#' || y === '#') return true;
    if (x === undefined || y === undefined) return x === y;
    if (!wild(x) && !wild(y) && x !== y) return false;
  }
}

/** Whether two filters match exactly the same topics, whatever their captures are called. */
export function samePattern(a: Pattern, b: Pattern): boolean {
  const shape = (pattern: Pattern): string =>
    pattern.levels.map((level) => (CAPTURE.test(level) ? '+' : level)).join('/');
  return shape(a) === shape(b);
}
