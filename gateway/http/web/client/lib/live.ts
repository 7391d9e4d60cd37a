import type { Overview } from '../types.ts';
import { ApiError, get, session } from './api.ts';
import { store } from './store.ts';

/**
 * What the gateway tells by itself (server-sent events on one connection for the whole page), and polling where that
 * does not work. Bursts are gathered: at most one redraw per frame. A page that nobody looks at holds no connection.
 */

/** `live`: told by events; `polling`: asked for; `lost`: the gateway does not answer. */
export const connection = store<'live' | 'polling' | 'lost'>('polling');
/** What every page shows something of. */
export const overview = store<Overview | undefined>(undefined);

/** Grows when the gateway left out events that we were too slow for: pages ask again for what they show. */
export const missed = store(0);

type Listener = (data: unknown) => void;

const POLL_MS = 2000;
const RETRY_MS = [1000, 2000, 5000, 10_000, 30_000];
/** Events that wait for the next frame; older ones of a topic go first. */
const MAX_WAITING = 500;

const listeners = new Map<string, Set<Listener>>();
let source: EventSource | undefined;
let opened = '';
let failures = 0;
let retryTimer: number | undefined;
let pollTimer: number | undefined;
let changeTimer: number | undefined;
let running = false;

/** Calls back with each event of a topic (`status`, `alarms`, `readings:STREAM`, `results:PIPELINE`). */
export function listen(topic: string, listener: Listener): () => void {
  const set = listeners.get(topic) ?? new Set();
  listeners.set(topic, set.add(listener));
  reopenSoon();
  return () => {
    set.delete(listener);
    if (set.size === 0) listeners.delete(topic);
    reopenSoon();
  };
}

/** Starts once somebody may read. */
export function startLive(): void {
  if (running) return;
  running = true;
  listen('status', (data) => overview.set(data as Overview));
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : resume()));
  resume();
}

function resume(): void {
  failures = 0;
  open();
  void poll();
}

function reopenSoon(): void {
  clearTimeout(changeTimer);
  changeTimer = setTimeout(() => {
    if (running && topics() !== opened) open();
  }, 60);
}

const topics = (): string => [...listeners.keys()].sort().join(',');

function open(): void {
  close();
  if (document.hidden || session.value === null) return;
  opened = topics();
  const mine = new EventSource(`/api/v1/events?topics=${encodeURIComponent(opened)}`);
  source = mine;
  mine.addEventListener('open', () => {
    failures = 0;
    connection.set('live');
  });
  mine.addEventListener('error', () => {
    if (source !== mine) return;
    close();
    if (connection.value === 'live') connection.set('polling');
    retryTimer = setTimeout(open, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]!);
  });
  for (const name of new Set([...listeners.keys()].map((topic) => topic.split(':', 1)[0]!)))
    mine.addEventListener(name, (event) => take(name, (event as MessageEvent<string>).data));
  mine.addEventListener('behind', () => missed.set(missed.value + 1));
}

function close(): void {
  clearTimeout(retryTimer);
  source?.close();
  source = undefined;
  opened = '';
}

const waiting: { name: string; text: string }[] = [];
let drawing = false;

function take(name: string, text: string): void {
  waiting.push({ name, text });
  if (waiting.length > MAX_WAITING) waiting.shift();
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    for (const one of waiting.splice(0)) {
      const data: unknown = JSON.parse(one.text);
      for (const listener of listeners.get(topicOf(one.name, data)) ?? []) listener(data);
    }
  });
}

/** Events carry the first word of their topic as name, and what they are of in their data. */
function topicOf(name: string, data: unknown): string {
  const { stream, pipeline } = data as { stream?: string; pipeline?: string };
  const of = name === 'readings' ? stream : name === 'results' ? pipeline : undefined;
  return of === undefined ? name : `${name}:${of}`;
}

/** Asks for the overview when events do not bring it, and finds out whether the gateway answers at all. */
async function poll(): Promise<void> {
  clearTimeout(pollTimer);
  if (document.hidden || session.value === null) return;
  if (connection.value !== 'live' || overview.value === undefined) {
    try {
      overview.set(await get<Overview>('/api/v1/overview'));
      if (connection.value === 'lost') connection.set('polling');
    } catch (error) {
      if (!(error instanceof ApiError)) connection.set('lost');
    }
  }
  pollTimer = setTimeout(poll, POLL_MS);
}
