import { PassThrough, type Readable } from 'node:stream';
import type { LiveEvent } from './topics.ts';

/** Bytes that may wait for a client before events are left out for it. */
const MAX_WAITING = 64 * 1024;

/** One event as the event stream format has it (HTML, §9.2.6). JSON holds no line breaks. */
export const eventText = ({ name, data }: LiveEvent): string =>
  `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

/**
 * A listener. While it does not take what is sent, status is kept only in its newest form and everything else is left
 * out; once it reads again it is told how much that was.
 */
export class EventClient {
  readonly topics: ReadonlySet<string>;
  readonly peer: string;
  /** Monotonic ms of its coming. */
  readonly since: number;
  readonly #stream = new PassThrough({ highWaterMark: MAX_WAITING });
  #missed = 0;
  #status: string | undefined;
  /** Monotonic ms since when it takes nothing; undefined while it does. */
  behindSince: number | undefined;

  constructor(topics: Iterable<string>, peer: string, now: number) {
    this.topics = new Set(topics);
    this.peer = peer;
    this.since = now;
  }

  get stream(): Readable {
    return this.#stream;
  }

  onClose(done: () => void): void {
    this.#stream.once('close', done);
    // What a broken connection raises is told by 'close' as well.
    this.#stream.on('error', done);
  }

  send(name: LiveEvent['name'], text: string, now: number): void {
    if (this.#waiting > MAX_WAITING) {
      this.behindSince ??= now;
      if (name === 'status') this.#status = text;
      else this.#missed++;
      return;
    }
    this.#catchUp();
    this.#stream.write(text);
  }

  beat(): void {
    if (this.#waiting > MAX_WAITING) return;
    this.#catchUp();
    this.#stream.write(': still here\n\n');
  }

  end(): void {
    this.#stream.end();
  }

  destroy(): void {
    this.#stream.destroy();
  }

  get #waiting(): number {
    return this.#stream.writableLength + this.#stream.readableLength;
  }

  #catchUp(): void {
    if (this.behindSince === undefined) return;
    this.behindSince = undefined;
    if (this.#missed > 0) this.#stream.write(eventText({ name: 'behind', data: { events: this.#missed } }));
    if (this.#status !== undefined) this.#stream.write(this.#status);
    this.#missed = 0;
    this.#status = undefined;
  }
}
