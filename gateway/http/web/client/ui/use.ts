import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { get } from '../lib/api.ts';
import { listen } from '../lib/live.ts';
import type { Store } from '../lib/store.ts';

/** Draws again when the value changes. */
export function useStore<T>(from: Store<T>): T {
  const [value, set] = useState(from.value);
  useEffect(() => {
    set(from.value);
    return from.watch(() => set(from.value));
  }, [from]);
  return value;
}

export interface Query<T> {
  readonly data: T | undefined;
  readonly error: unknown;
  reload(): Promise<void>;
}

/** Newest answers by path, so that going back to a page shows it at once. */
const cache = new Map<string, unknown>();
const CACHED = 60;

/** What a path answers; asked again every so often while somebody looks. `null`: ask nothing. */
export function useQuery<T>(path: string | null, everyMs?: number): Query<T> {
  const [, redraw] = useState(0);
  const error = useRef<unknown>(undefined);
  const shown = useRef(path);
  shown.current = path;
  const reload = useCallback(async () => {
    if (path === null) return;
    try {
      const data = await get<T>(path);
      cache.delete(path);
      cache.set(path, data);
      if (cache.size > CACHED) cache.delete(cache.keys().next().value!);
      error.current = undefined;
    } catch (thrown) {
      error.current = thrown;
    }
    if (shown.current === path) redraw((n) => n + 1);
  }, [path]);
  useEffect(() => {
    error.current = undefined;
    let timer: number | undefined;
    let over = false;
    const again = async (): Promise<void> => {
      if (!document.hidden) await reload();
      if (!over && everyMs !== undefined) timer = setTimeout(again, everyMs);
    };
    void again();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [reload, everyMs]);
  return {
    data: path === null ? undefined : (cache.get(path) as T | undefined),
    error: error.current,
    reload,
  };
}

/** Hears a topic of the gateway's events while the component is shown. */
export function useTopic(topic: string | null, heard: (data: unknown) => void): void {
  const current = useRef(heard);
  current.current = heard;
  useEffect(() => (topic === null ? undefined : listen(topic, (data) => current.current(data))), [topic]);
}

/** The time, again every so often. */
export function useNow(everyMs = 1000): number {
  const [now, set] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** Runs something that the user asked for: whether it runs, and what went wrong. */
export function useAction(): {
  readonly busy: boolean;
  readonly error: unknown;
  run(work: () => Promise<void>): Promise<void>;
} {
  const [state, set] = useState<{ busy: boolean; error: unknown }>({ busy: false, error: undefined });
  const run = async (work: () => Promise<void>): Promise<void> => {
    set({ busy: true, error: undefined });
    try {
      await work();
      set({ busy: false, error: undefined });
    } catch (error) {
      set({ busy: false, error });
    }
  };
  return { ...state, run };
}
