import type { Reader } from './types.ts';

/** A consumer of a stream, as one word: the key under which its cursor is found. */
export function readerKey({ consumer, stream }: Reader): string {
  return `${consumer}\n${stream}`;
}
