import { GatewayError } from '../errors.ts';

type TokenKind = 'name' | 'number' | 'string' | 'symbol' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** The name, the symbol, or the value of a string; for a number its digits. */
  readonly text: string;
  /** Where it begins, from 1. */
  readonly column: number;
}

const PATTERN =
  /\s*(?:([A-Za-z_][\w-]*)|(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(<=|>=|==|!=|&&|\|\||[<>()[\].!-]))/y;

/** Splits the text of a condition. Throws CONDITION_SYNTAX at a character that belongs to nothing. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const end = text.trimEnd().length;
  while (at < end) {
    PATTERN.lastIndex = at;
    const match = PATTERN.exec(text);
    if (match === null) {
      const column = at + text.slice(at).search(/\S/) + 1;
      throw conditionError(text, column, `unexpected ${JSON.stringify(text[column - 1])}`);
    }
    const [whole, name, number, double, single, symbol] = match;
    const column = at + whole.length - whole.trimStart().length + 1;
    at += whole.length;
    if (name !== undefined) tokens.push({ kind: 'name', text: name, column });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, column });
    else if (symbol !== undefined) tokens.push({ kind: 'symbol', text: symbol, column });
    else tokens.push({ kind: 'string', text: unescaped(double ?? single ?? ''), column });
  }
  tokens.push({ kind: 'end', text: 'the end', column: end + 1 });
  return tokens;
}

const unescaped = (text: string): string => text.replace(/\\(.)/g, '$1');

export function conditionError(text: string, column: number, problem: string): GatewayError {
  return new GatewayError('CONDITION_SYNTAX', `condition, column ${column}: ${problem}`, {
    received: text,
    expected: 'comparisons of outputs joined by and, or, not: score >= 0.9 and label == "fault"',
  });
}
