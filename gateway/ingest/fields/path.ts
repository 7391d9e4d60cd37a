import { GatewayError } from '../../errors.ts';

/** Reads one place of a decoded payload; undefined when there is nothing. Never throws, never sees the prototype. */
export type Accessor = (root: unknown) => unknown;

export interface CompiledPath {
  readonly read: Accessor;
  /** Member names and array indexes from the root; empty for `$`. */
  readonly steps: readonly (string | number)[];
}

/** Steps of one path; deeper ones are a mistake in the configuration. */
const MAX_STEPS = 32;

const STEP =
  /\.([A-Za-z_\u0080-\uffff][\w\u0080-\uffff-]*)|\[(\d{1,9})\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/y;

/**
 * Compiles a JSONPath of the singular subset of RFC 9535 (§2.3.5.1): `$`, `$.name`, `$['name']`, `$[0]` and chains of
 * them. A text that does not begin with `$` is the name of a member of the root.
 * @throws GatewayError CONFIG_INVALID when it is none
 */
export function compilePath(text: string): CompiledPath {
  const steps = parseSteps(text);
  return { steps, read: compileSteps(steps) };
}

function parseSteps(text: string): readonly (string | number)[] {
  if (!text.startsWith('$')) return [text];
  const steps: (string | number)[] = [];
  let at = 1;
  while (at < text.length) {
    STEP.lastIndex = at;
    const match = STEP.exec(text);
    if (!match || steps.length === MAX_STEPS) {
      throw new GatewayError('CONFIG_INVALID', `path ${text} is not understood at character ${at + 1}`, {
        received: text,
        expected: "a path such as $.a.b, $['a b'] or $.a[0]",
      });
    }
    const [, name, index, single, double] = match;
    steps.push(name ?? (index === undefined ? unquote(single ?? double ?? '') : Number(index)));
    at = STEP.lastIndex;
  }
  return steps;
}

const unquote = (text: string): string => text.replace(/\\(.)/g, '$1');

function compileSteps(steps: readonly (string | number)[]): Accessor {
  const [first, second] = steps;
  if (first === undefined) return (root) => root;
  const head = typeof first === 'number' ? indexStep(first) : memberStep(first);
  if (second === undefined) return head;
  const rest = compileSteps(steps.slice(1));
  return (root) => {
    const value = head(root);
    return value === undefined ? undefined : rest(value);
  };
}

const indexStep =
  (index: number): Accessor =>
  (root) =>
    Array.isArray(root) ? root[index] : undefined;

function memberStep(name: string): Accessor {
  // Decoded objects have no prototype chain but Object.prototype's, so only its own names need the slower check.
  if (name in {}) {
    return (root) => (isObject(root) && Object.hasOwn(root, name) ? root[name] : undefined);
  }
  return (root) => (isObject(root) ? root[name] : undefined);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
