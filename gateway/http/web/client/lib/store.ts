/** A value that can be watched. */
export interface Store<T> {
  readonly value: T;
  set(value: T): void;
  /** Calls back after each change; answers how to end it. */
  watch(changed: () => void): () => void;
}

export function store<T>(initial: T): Store<T> {
  let value = initial;
  const watchers = new Set<() => void>();
  return {
    get value() {
      return value;
    },
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const changed of [...watchers]) changed();
    },
    watch(changed) {
      watchers.add(changed);
      return () => watchers.delete(changed);
    },
  };
}

/** A choice of the user that the browser remembers. Without storage (private windows) it lasts as long as the page. */
export function persisted<T extends string>(
  key: string,
  initial: T,
  known: (text: string) => text is T,
): Store<T> {
  const kept = remember(() => localStorage.getItem(key)) ?? '';
  const inner = store<T>(known(kept) ? kept : initial);
  return {
    get value() {
      return inner.value;
    },
    set(next) {
      remember(() => localStorage.setItem(key, next));
      inner.set(next);
    },
    watch: inner.watch,
  };
}

function remember<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof DOMException) return undefined;
    throw error;
  }
}
