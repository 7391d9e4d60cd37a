import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';

/** Bytes of log that may wait for a reader that is behind. */
const MAX_WAITING = 256 * 1024;
/** Until it is tried again whether somebody reads, ms. */
const RETRY_MS = 20;
const NONE = Buffer.alloc(0);

/** Where log lines go. */
interface LogDestination {
  write(line: string): void;
}

/**
 * Log lines to `fd`, standard error by default. Where that is a pipe or a socket, whoever reads it (a supervisor, a log
 * collector) may stop reading: then a bounded number of lines waits, further ones are dropped, and the next line that
 * gets through says how many. Logging never waits: a gateway must not stand still because its log does.
 */
export function logDestination(fd = 2): LogDestination {
  let opened: LogDestination | undefined;
  return {
    write(line) {
      // Not before there is something to say: it changes how everybody who shares the pipe may write to it.
      opened ??= open(fd);
      opened.write(line);
    },
  };
}

function open(fd: number): LogDestination {
  const kind = fstatSync(fd);
  if (kind.isFIFO() || kind.isSocket()) return new BoundedDestination(fd);
  return { write: (line) => void writeSync(fd, line) };
}

class BoundedDestination implements LogDestination {
  readonly #fd: number;
  /** Opened for what it does to the descriptor: from then on writing to it does not block. */
  readonly #socket: Socket;
  #waiting: Buffer = NONE;
  #again: NodeJS.Timeout | undefined;
  #dropped = 0;

  constructor(fd: number) {
    this.#fd = fd;
    this.#socket = new Socket({ fd, readable: false, writable: true });
    // Nothing waits for the log: neither the end of the process nor anything in it.
    this.#socket.unref();
    process.once('exit', () => this.#flush());
  }

  write(line: string): void {
    if (this.#waiting.length + line.length > MAX_WAITING) {
      this.#dropped++;
      return;
    }
    let text = line;
    if (this.#dropped > 0) {
      const msg = `log: nobody read it, ${this.#dropped} lines dropped`;
      text = `${JSON.stringify({ level: 40, time: Date.now(), dropped: this.#dropped, msg })}\n${line}`;
      this.#dropped = 0;
    }
    this.#waiting = Buffer.concat([this.#waiting, Buffer.from(text)]);
    if (this.#again === undefined) this.#flush();
  }

  #flush(): void {
    this.#again = undefined;
    try {
      while (this.#waiting.length > 0) {
        this.#waiting = this.#waiting.subarray(writeSync(this.#fd, this.#waiting));
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN')
        this.#again = setTimeout(() => this.#flush(), RETRY_MS).unref();
      // Whoever read it is gone for good, and there is nowhere left to say so.
      else this.#waiting = NONE;
    }
  }
}
