import { GatewayError } from '../errors.ts';

/** One level of a topic or path template. */
export type Level =
  | { readonly kind: 'literal'; readonly text: string }
  /** `{name}`: one level, not empty. */
  | { readonly kind: 'capture'; readonly name: string }
  /** `+`: one level. */
  | { readonly kind: 'any' }
  /** `#`: this and all further levels, or none. Last only. */
  | { readonly kind: 'rest' };

const CAPTURE = /^\{([A-Za-z][A-Za-z0-9_]{0,31})\}$/;
/** [MQTT-4.7.3-3] bounds a topic at 65535 bytes; a template is written by hand. */
const MAX_LEVELS = 32;

/**
 * Parses an MQTT topic or CoAP path with `{captures}`, `+` and a trailing `#`.
 * @throws GatewayError CONFIG_INVALID with what is wrong
 */
export function parseTemplate(text: string): readonly Level[] {
  const invalid = (problem: string): GatewayError =>
    new GatewayError('CONFIG_INVALID', `topic template ${JSON.stringify(text)}: ${problem}`, {
      received: text,
      expected: 'levels separated by "/", each a text, {name} or +, and # only as the last',
    });
  const parts = (text.startsWith('/') ? text.slice(1) : text).split('/');
  if (text === '' || text === '/') throw invalid('it is empty');
  if (parts.length > MAX_LEVELS) throw invalid(`more than ${MAX_LEVELS} levels`);
  const names = new Set<string>();
  return parts.map((part, index): Level => {
    if (part === '#') {
      if (index !== parts.length - 1) throw invalid('# is only allowed as the last level');
      return { kind: 'rest' };
    }
    if (part === '+') return { kind: 'any' };
    const name = CAPTURE.exec(part)?.[1];
    if (name !== undefined) {
      if (names.has(name)) throw invalid(`{${name}} occurs twice`);
      names.add(name);
      return { kind: 'capture', name };
    }
    if (/[{}+#]/.test(part))
      throw invalid(`level ${JSON.stringify(part)} mixes text with a capture or wildcard`);
    return { kind: 'literal', text: part };
  });
}

/** Names captured by a template, for checking what refers to them. */
export function captures(text: string): readonly string[] {
  return parseTemplate(text).flatMap((level) => (level.kind === 'capture' ? [level.name] : []));
}
