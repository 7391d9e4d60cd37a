/** Topics seen lately whose matches are remembered; beyond this the memory starts anew. */
const MAX_CACHED = 32_768;

interface Node<T> {
  readonly children: Map<string, Node<T>>;
  readonly values: Map<unknown, T>;
}

const node = <T>(): Node<T> => ({ children: new Map(), values: new Map() });

/**
 * Values filed under topic filters, found by topic. A topic's matches are computed once and remembered until some
 * filter changes, so looking one up costs a map access however many filters there are.
 */
export class TopicTree<T> {
  readonly #root = node<T>();
  readonly #cache = new Map<string, readonly T[]>();
  readonly #reduce: (matches: T[]) => T[];
  #size = 0;

  /** @param reduce applied to the matches of a topic before they are remembered */
  constructor(reduce: (matches: T[]) => T[] = (matches) => matches) {
    this.#reduce = reduce;
  }

  get size(): number {
    return this.#size;
  }

  /** Files `value`; the same filter and key replaces. */
  set(filter: string, key: unknown, value: T): void {
    let at = this.#root;
    for (const level of filter.split('/')) {
      let next = at.children.get(level);
      if (!next) {
        next = node();
        at.children.set(level, next);
      }
      at = next;
    }
    if (!at.values.has(key)) this.#size++;
    at.values.set(key, value);
    this.#cache.clear();
  }

  clear(): void {
    this.#root.children.clear();
    this.#cache.clear();
    this.#size = 0;
  }

  delete(filter: string, key: unknown): boolean {
    const path = filter.split('/');
    const visited: Node<T>[] = [this.#root];
    for (const level of path) {
      const next = visited.at(-1)!.children.get(level);
      if (!next) return false;
      visited.push(next);
    }
    if (!visited.at(-1)!.values.delete(key)) return false;
    this.#size--;
    for (let i = path.length; i > 0; i--) {
      const leaf = visited[i]!;
      if (leaf.values.size > 0 || leaf.children.size > 0) break;
      visited[i - 1]!.children.delete(path[i - 1]!);
    }
    this.#cache.clear();
    return true;
  }

  /** Values whose filter matches `topic`. Do not change the array. */
  match(topic: string): readonly T[] {
    const known = this.#cache.get(topic);
    if (known !== undefined) return known;
    const found: T[] = [];
    collect(this.#root, topic.split('/'), 0, topic.charCodeAt(0) === 36, found);
    const reduced = this.#reduce(found);
    if (this.#cache.size >= MAX_CACHED) this.#cache.clear();
    this.#cache.set(topic, reduced);
    return reduced;
  }
}

/** Depth is bounded by the level limit of topics and filters, so recursion is too. */
function collect<T>(at: Node<T>, path: readonly string[], depth: number, dollar: boolean, found: T[]): void {
  // [MQTT-4.7.2-1]: wildcards at the first level leave `$` topics alone.
  const wildcards = !(dollar && depth === 0);
  if (wildcards) {
    const rest = at.children.get('#');
    if (rest) found.push(...rest.values.values());
  }
  if (depth === path.length) {
    found.push(...at.values.values());
    return;
  }
  const level = path[depth]!;
  if (wildcards) {
    const any = at.children.get('+');
    if (any) collect(any, path, depth + 1, dollar, found);
  }
  const exact = level === '+' || level === '#' ? undefined : at.children.get(level);
  if (exact) collect(exact, path, depth + 1, dollar, found);
}
