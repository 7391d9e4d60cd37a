import type { Readable } from 'node:stream';
import type { Clock } from '../ports/clock.ts';

const SLICE_MS = 100;

/**
 * Reads a stream at no more than a rate: a process that writes without end waits, and costs its reader no more than this.
 * @param rate bytes a second
 */
export function paced(stream: Readable, rate: number, clock: Clock, take: (chunk: Buffer) => void): void {
  const most = (rate * SLICE_MS) / 1000;
  let since = clock.monotonic();
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    const now = clock.monotonic();
    if (now - since > SLICE_MS) {
      since = now;
      bytes = 0;
    }
    bytes += chunk.length;
    take(chunk);
    if (bytes <= most) return;
    stream.pause();
    clock.after(Math.ceil((bytes / rate) * 1000), () => stream.resume());
  });
}
