import { conditionError, type Token, tokenize } from './condition-tokens.ts';

/**
 * Whether a result passes. `outputs` are looked up first; `document` gives the other members of the result
 * (`device`, `time`, `model.version`).
 */
export type Condition = (
  outputs: Readonly<Record<string, unknown>>,
  document: Readonly<Record<string, unknown>>,
) => boolean;

type Values = { outputs: Readonly<Record<string, unknown>>; document: Readonly<Record<string, unknown>> };
type Term = (values: Values) => unknown;

/** Deeper nesting than a person writes. */
const MAX_DEPTH = 64;
const MAX_LENGTH = 2000;

type Compare = (a: unknown, b: unknown) => boolean;

const COMPARISONS: Readonly<Record<string, Compare>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': ordered((order) => order < 0),
  '<=': ordered((order) => order <= 0),
  '>': ordered((order) => order > 0),
  '>=': ordered((order) => order >= 0),
};

/** Numbers compare with numbers and texts with texts; anything else is neither smaller nor larger. */
function ordered(holds: (order: number) => boolean): Compare {
  return (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return holds(a - b);
    return typeof a === 'string' && typeof b === 'string' && holds(a < b ? -1 : a > b ? 1 : 0);
  };
}

/**
 * Compiles a condition:
 *
 *     condition  = conjunction { "or" conjunction }
 *     conjunction = negation { "and" negation }
 *     negation   = "not" negation | comparison
 *     comparison = operand [ ("==" | "!=" | "<" | "<=" | ">" | ">=") operand ]
 *     operand    = number | string | "true" | "false" | "null" | "(" condition ")" | name { "." name | "[" index "]" }
 *
 * `&&`, `||` and `!` may stand for the words. A name that is absent is null; comparing it is false (but `!=`).
 * Throws CONDITION_SYNTAX with the column of the first mistake.
 */
export function parseCondition(text: string): Condition {
  if (text.length > MAX_LENGTH) throw conditionError(text.slice(0, 80), MAX_LENGTH, 'is too long');
  const parser = new Parser(text);
  const term = parser.whole();
  return (outputs, document) => truth(term({ outputs, document }));
}

const truth = (value: unknown): boolean => value === true || (typeof value === 'number' && value !== 0);

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokenize(text);
  }

  whole(): Term {
    const term = this.#any();
    if (this.#next.kind !== 'end') throw this.#unexpected('and, or, or the end');
    return term;
  }

  get #next(): Token {
    return this.#tokens[this.#at]!;
  }

  #any(): Term {
    const terms = [this.#all()];
    while (this.#take('or', '||')) terms.push(this.#all());
    return terms.length === 1 ? terms[0]! : (values) => terms.some((term) => truth(term(values)));
  }

  #all(): Term {
    const terms = [this.#negation()];
    while (this.#take('and', '&&')) terms.push(this.#negation());
    return terms.length === 1 ? terms[0]! : (values) => terms.every((term) => truth(term(values)));
  }

  #negation(): Term {
    if (!this.#take('not', '!')) return this.#comparison();
    const inner = this.#nested(() => this.#negation());
    return (values) => !truth(inner(values));
  }

  #comparison(): Term {
    const left = this.#operand();
    const token = this.#next;
    const compare = token.kind === 'symbol' ? COMPARISONS[token.text] : undefined;
    if (compare === undefined) return left;
    this.#at++;
    const right = this.#operand();
    return (values) => compare(left(values), right(values));
  }

  #operand(): Term {
    const token = this.#next;
    if (this.#take('(')) {
      const inner = this.#nested(() => this.#any());
      this.#expect(')');
      return inner;
    }
    if (this.#take('-')) return this.#number(-1);
    if (token.kind === 'number') return this.#number(1);
    if (token.kind === 'name' && !WORDS.has(token.text)) return this.#name();
    if (token.kind !== 'string') throw this.#unexpected('a name, a number or a text');
    this.#at++;
    return () => token.text;
  }

  #number(sign: 1 | -1): Term {
    const token = this.#next;
    if (token.kind !== 'number') throw this.#unexpected('a number');
    this.#at++;
    const value = sign * Number(token.text);
    return () => value;
  }

  #name(): Term {
    const first = this.#next.text;
    this.#at++;
    if (CONSTANTS.has(first)) {
      const value = CONSTANTS.get(first);
      return () => value;
    }
    const path: (string | number)[] = [];
    for (;;) {
      if (this.#take('.')) {
        if (this.#next.kind !== 'name') throw this.#unexpected('a name');
        path.push(this.#next.text);
        this.#at++;
      } else if (this.#take('[')) {
        if (!/^\d+$/.test(this.#next.text)) throw this.#unexpected('an index');
        path.push(Number(this.#next.text));
        this.#at++;
        this.#expect(']');
      } else break;
    }
    return ({ outputs, document }) => {
      let value = own(outputs, first) ?? own(document, first);
      for (const step of path) value = own(value, step);
      return value ?? null;
    };
  }

  #nested(parse: () => Term): Term {
    if (++this.#depth > MAX_DEPTH)
      throw conditionError(this.#text, this.#next.column, 'is nested too deeply');
    const term = parse();
    this.#depth--;
    return term;
  }

  #take(...texts: string[]): boolean {
    const { kind, text } = this.#next;
    if ((kind !== 'symbol' && kind !== 'name') || !texts.includes(text)) return false;
    this.#at++;
    return true;
  }

  #expect(symbol: string): void {
    if (!this.#take(symbol)) throw this.#unexpected(JSON.stringify(symbol));
  }

  #unexpected(expected: string): Error {
    const { text, column, kind } = this.#next;
    const found = kind === 'end' ? text : JSON.stringify(text);
    return conditionError(this.#text, column, `expected ${expected}, found ${found}`);
  }
}

const WORDS = new Set(['and', 'or', 'not']);
const CONSTANTS = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

function own(value: unknown, name: string | number): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string | number, unknown>)[name]
    : undefined;
}
