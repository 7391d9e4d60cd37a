import { Socket } from 'node:net';
import { LineReader, line } from './lines.ts';
import type { FromHost, Kept, Start, ToHost } from './protocol.ts';

/** Flows and what belongs to them, as text. */
const LONGEST_LINE = 64 * 1024 * 1024;
/** Log lines that the gateway gets in such a time; a flow may write thousands a second. */
const LOG_LINES = 30;
const LOG_MS = 10_000;
const LONGEST_TEXT = 2000;

/** The host's end of the line to its supervisor. */
export class Channel {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, { done: (text: string) => void; fail: (error: Error) => void }>();
  #nextId = 1;
  #lines = 0;
  #logSince = 0;
  #started: (start: Start) => void = () => undefined;
  #stop: () => void = () => undefined;
  /** The first line of the supervisor. */
  readonly start: Promise<Start>;

  /** @param gone called when the supervisor has ended */
  constructor(fd: number, gone: () => void) {
    this.start = new Promise((resolve) => {
      this.#started = resolve;
    });
    const reader = new LineReader(LONGEST_LINE, (value) => this.#take(value as ToHost));
    this.#socket = new Socket({ fd, readable: true, writable: true });
    this.#socket.on('data', (chunk: Buffer) => reader.push(chunk));
    this.#socket.on('end', gone);
    this.#socket.on('error', gone);
  }

  onStop(stop: () => void): void {
    this.#stop = stop;
  }

  load(what: Kept): Promise<string> {
    return this.#ask((id) => ({ kind: 'load', id, what }));
  }

  async keep(what: Kept, text: string, author: string): Promise<void> {
    await this.#ask((id) => ({ kind: 'keep', id, what, text, author }));
  }

  tell(message: FromHost): void {
    this.#socket.write(line(message));
  }

  /** Last words: written when this returns the promise's value, since the process ends after it. */
  tellLast(message: FromHost): Promise<void> {
    return new Promise((resolve) => this.#socket.write(line(message), () => resolve()));
  }

  /** What is too much is counted and left out. */
  log(level: 'error' | 'warn' | 'info', text: string): void {
    const now = performance.now();
    if (now - this.#logSince > LOG_MS) {
      const left = this.#lines - LOG_LINES;
      this.#logSince = now;
      this.#lines = 0;
      if (left > 0) this.tell({ kind: 'log', level: 'warn', text: `${left} more lines were left out` });
    }
    if (++this.#lines <= LOG_LINES) this.tell({ kind: 'log', level, text: text.slice(0, LONGEST_TEXT) });
  }

  #ask(request: (id: number) => FromHost): Promise<string> {
    return new Promise((done, fail) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { done, fail });
      this.tell(request(id));
    });
  }

  #take(message: ToHost): void {
    switch (message.kind) {
      case 'start':
        this.#started(message);
        return;
      case 'stop':
        this.#stop();
        return;
      default: {
        const waiting = this.#waiting.get(message.id);
        this.#waiting.delete(message.id);
        if (message.kind === 'answer') waiting?.done(message.text);
        else waiting?.fail(new Error(message.message));
      }
    }
  }
}
