import { GatewayError } from '../errors.ts';
import { isDeviceName, joinDeviceName } from './device-name.ts';
import { type Level, parseTemplate } from './template.ts';

/** Where an address leads. */
export interface Route<T> {
  readonly target: T;
  /** The device the address names; undefined when it names none. */
  readonly device: string | undefined;
  /** False when the address names a device by something that cannot be one. */
  readonly valid: boolean;
}

interface Node<T> {
  readonly literals: Map<string, Node<T>>;
  single: Node<T> | undefined;
  end: Leaf<T> | undefined;
  rest: Leaf<T> | undefined;
}

interface Leaf<T> {
  readonly target: T;
  readonly template: string;
  readonly levels: readonly Level[];
}

const newNode = <T>(): Node<T> => ({
  literals: new Map(),
  single: undefined,
  end: undefined,
  rest: undefined,
});

/** Addresses remembered in each of the two generations of the cache; with the length bound about 16 MB at worst. */
const GENERATION = 8192;
const MAX_CACHED_LENGTH = 512;

/**
 * Finds the target of an address: one Map lookup when it was seen lately, else a walk through a trie of all templates.
 * At each level text goes before `{capture}` and `+`, and those before `#`, so the most specific template wins.
 */
export class Router<T> {
  readonly #root: Node<T> = newNode();
  #young = new Map<string, Route<T>>();
  #old = new Map<string, Route<T>>();
  /** What was asked last, and the answer: doors ask twice, and devices send in runs. */
  #lastAddress = '';
  #last: Route<T> | undefined;

  /** @throws GatewayError CONFIG_INVALID when the template is malformed or another target already has its addresses */
  add(template: string, target: T): void {
    const levels = parseTemplate(template);
    let node = this.#root;
    for (const level of levels) {
      if (level.kind === 'rest') break;
      if (level.kind === 'literal') {
        let next = node.literals.get(level.text);
        if (!next) {
          next = newNode();
          node.literals.set(level.text, next);
        }
        node = next;
      } else {
        node.single ??= newNode();
        node = node.single;
      }
    }
    const slot = levels.at(-1)!.kind === 'rest' ? 'rest' : 'end';
    const taken = node[slot];
    if (taken && taken.target !== target) {
      throw new GatewayError('CONFIG_INVALID', `${template} and ${taken.template} map the same addresses`, {
        received: template,
        expected: 'templates of different streams that differ',
        fix: 'Let one stream take the messages, with all the fields, and build both pipelines on it.',
      });
    }
    node[slot] ??= { target, template, levels };
    this.#young.clear();
    this.#old.clear();
    this.#last = undefined;
  }

  lookup(address: string): Route<T> | undefined {
    if (this.#last !== undefined && address === this.#lastAddress) return this.#last;
    const found = this.#find(address);
    this.#lastAddress = address;
    this.#last = found;
    return found;
  }

  #find(address: string): Route<T> | undefined {
    const hit = this.#young.get(address);
    if (hit !== undefined) return hit;
    // Addresses that lead nowhere are not remembered: a flood of them must not push out those that do.
    const found = this.#old.get(address) ?? this.#match(address);
    if (found === undefined || address.length > MAX_CACHED_LENGTH) return found;
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(address, found);
    return found;
  }

  #match(address: string): Route<T> | undefined {
    const parts = address.split('/');
    const leaf = walk(this.#root, parts, 0);
    return leaf && routeOf(leaf, parts);
  }
}

/** Bounded by the number of templates: every step follows a node that a template made. */
function walk<T>(node: Node<T>, parts: readonly string[], at: number): Leaf<T> | undefined {
  // [MQTT-4.7.1-2]: `#` also matches the parent level.
  if (at === parts.length) return node.end ?? node.rest;
  const part = parts[at]!;
  const literal = node.literals.get(part);
  const exact = literal && walk(literal, parts, at + 1);
  if (exact) return exact;
  // [MQTT-4.7.2-1]: wildcards do not match topics that begin with `$`.
  if (at === 0 && part.startsWith('$')) return undefined;
  const single = node.single && walk(node.single, parts, at + 1);
  return single ?? node.rest;
}

/**
 * The device is the level captured by `{device}`; without one, the levels under the other captures and wildcards,
 * joined by dots; without any of those, undefined.
 */
function routeOf<T>(leaf: Leaf<T>, parts: readonly string[]): Route<T> {
  const { target, levels } = leaf;
  const captured: string[] = [];
  const open = levels.at(-1)!.kind === 'rest';
  for (const [index, level] of levels.entries()) {
    if (level.kind === 'capture' && level.name === 'device') {
      const device = parts[index]!;
      return { target, device, valid: isDeviceName(device) };
    }
    if (level.kind === 'capture' || level.kind === 'any') captured.push(parts[index]!);
    if (level.kind === 'rest') captured.push(...parts.slice(index));
  }
  if (captured.length === 0) return { target, device: undefined, valid: true };
  const device = captured.length === 1 && !open ? captured[0]! : joinDeviceName(captured);
  return { target, device, valid: captured.every((part) => part !== '') && isDeviceName(device) };
}
