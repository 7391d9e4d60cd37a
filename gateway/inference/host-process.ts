import type { ChildProcess } from 'node:child_process';
import { setPriority } from 'node:os';
import type { Duplex } from 'node:stream';
import { type ErrorCode, GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import {
  CONTROL,
  FAILED,
  type FrameHeader,
  FrameReader,
  jsonBody,
  jsonFrame,
  OK,
  readHeader,
} from './frames.ts';
import type { Control } from './host/service.ts';
import { spawnHost } from './spawn-host.ts';

const TICK_MS = 250;
/** A host that has nothing to do ends in milliseconds. */
const CLOSE_MS = 2000;
/** Frames leave in pieces of this size, which are used again. */
const ARENA_BYTES = 128 * 1024;
const MAX_SPARE = 8;
const STDERR_KEPT = 4096;
/** Loading a large model takes seconds on a small board. */
const CONTROL_LIMIT_MS = 60_000;
/** A third of the weight that the core has when both want one processor. */
const SERVING_PRIORITY = 5;
/** Why a host is gone. */
export interface HostExit {
  /** `killed`: by somebody else, such as the kernel when memory ran out. */
  readonly kind: 'closed' | 'crashed' | 'killed' | 'hung' | 'broken-protocol';
  /** For people: the signal or exit code, and the last of what the host wrote to standard error. */
  readonly detail: string;
}

export interface HostRequest {
  readonly id: number;
  /** A reply must come within this long while the host works on this request, else it is taken for hung. */
  readonly limitMs: number;
  /** `frame` may be kept. */
  onReply(header: FrameHeader, frame: Uint8Array): void;
  /** The host ended before it answered. */
  onLost?(error: GatewayError): void;
}

export interface HostOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Most memory the host may allocate; beyond it, a run fails and the host lives on. */
  readonly maxBytes: number;
  /** Whether runners save memory at the cost of speed. */
  readonly sparing: boolean;
  /** Runs once, whatever way it ends. */
  onExit(exit: HostExit): void;
}

/** How much the end of a host says about what it was doing. A kill from outside says little: few inputs do that. */
export const BLAME: Readonly<Record<HostExit['kind'], number>> = {
  crashed: 1,
  hung: 1,
  'broken-protocol': 1,
  killed: 0.2,
  closed: 0,
};

/** One model host process, from spawn to exit. */
export class HostProcess {
  readonly #child: ChildProcess;
  readonly #pipe: Duplex;
  readonly #log: Log;
  readonly #clock: Clock;
  /** Oldest first: the host answers in order. */
  readonly #pending: HostRequest[] = [];
  readonly #stopTimer: () => void;
  readonly #options: HostOptions;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  #resolveEnded: () => void = () => undefined;
  #nextId = 1;
  #stderr = '';
  #idleTicks = 0;
  #arena = new ArrayBuffer(ARENA_BYTES);
  #used = 0;
  /** Arenas whose bytes are in the pipe. */
  readonly #spare: ArrayBuffer[] = [];
  #ending: HostExit['kind'] = 'crashed';
  #gone = false;
  #cancelClose: () => void = () => undefined;

  /** Starts the process. */
  constructor(options: HostOptions) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#options = options;
    this.#child = spawnHost(options);
    this.#pipe = this.#child.stdio[3] as Duplex;
    const reader = new FrameReader((frame) => this.#take(frame));
    this.#pipe.on('data', (chunk: Uint8Array) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.#log.error({ error: String(error) }, 'model host: sent what is no frame, ending it');
        this.kill('broken-protocol');
      }
    });
    // A write to a host that has just gone fails here; its exit tells the rest.
    this.#pipe.on('error', (error) => this.#log.debug({ error: error.message }, 'model host: pipe closed'));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
    this.#child.once('error', (error) => this.#gone_(`could not be started: ${error.message}`));
    this.#child.once('close', (code, signal) => {
      if (signal === 'SIGKILL' && this.#ending === 'crashed') this.#ending = 'killed';
      this.#gone_(signal ?? `exit code ${code}`);
    });
    this.#stopTimer = every(options.clock, TICK_MS, () => this.#tick());
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get alive(): boolean {
    return !this.#gone;
  }

  nextId(): number {
    const id = this.#nextId;
    this.#nextId = id === 0xffff_ffff ? 1 : id + 1;
    return id;
  }

  /**
   * Room for the frame of a request, which goes out with the next {@link flush}; the caller fills it at once. `bytes`
   * is a multiple of 8.
   */
  reserve(bytes: number, request: HostRequest): { buffer: ArrayBuffer; offset: number } {
    if (this.#pending.length === 0) this.#idleTicks = 0;
    this.#pending.push(request);
    if (this.#used + bytes > this.#arena.byteLength) {
      this.flush();
      this.#arena =
        bytes > ARENA_BYTES ? new ArrayBuffer(bytes) : (this.#spare.pop() ?? new ArrayBuffer(ARENA_BYTES));
    }
    const offset = this.#used;
    this.#used += bytes;
    return { buffer: this.#arena, offset };
  }

  /** Sends what has been reserved, in one write. */
  flush(): void {
    if (this.#used === 0) return;
    const arena = this.#arena;
    const bytes = new Uint8Array(arena, 0, this.#used);
    this.#arena = this.#spare.pop() ?? new ArrayBuffer(ARENA_BYTES);
    this.#used = 0;
    if (this.#gone) return;
    this.#pipe.write(bytes, (error) => {
      if (!error && arena.byteLength === ARENA_BYTES && this.#spare.length < MAX_SPARE)
        this.#spare.push(arena);
    });
  }

  /** One control request. Rejects with the host's coded error, or MODEL_HOST when the host ends first. */
  control<T>(request: Control): Promise<T> {
    return new Promise((resolve, reject) => {
      const id = this.nextId();
      const onReply = (header: FrameHeader, frame: Uint8Array): void => {
        if (header.status === FAILED) reject(hostError(frame));
        else resolve(jsonBody(frame) as T);
      };
      if (this.#gone) {
        reject(this.#lost());
        return;
      }
      const frame = jsonFrame(CONTROL, id, OK, request);
      const { buffer, offset } = this.reserve(frame.length, {
        id,
        limitMs: CONTROL_LIMIT_MS,
        onReply,
        onLost: reject,
      });
      new Uint8Array(buffer, offset).set(frame);
      this.flush();
    });
  }

  /**
   * It is ready: from now on, when all cores are busy, taking readings in and storing them comes before models, which
   * would else keep devices waiting. Until then others wait for it.
   */
  yieldToCore(): void {
    const { pid } = this;
    if (pid === undefined || this.#gone) return;
    try {
      setPriority(pid, SERVING_PRIORITY);
    } catch (error) {
      this.#log.debug({ pid, error: String(error) }, 'model host: keeps its priority');
    }
  }

  /** Lets it finish what it has and end. */
  close(): void {
    if (this.#ending === 'crashed') this.#ending = 'closed';
    this.#pipe.end();
    this.#cancelClose = this.#clock.after(CLOSE_MS, () => this.kill(this.#ending));
  }

  kill(kind: HostExit['kind']): void {
    if (this.#gone) return;
    this.#ending = kind;
    this.#child.kill('SIGKILL');
  }

  #take(frame: Uint8Array): void {
    const header = readHeader(frame);
    const request = this.#pending[0];
    if (request?.id !== header.id) throw new RangeError(`a reply to ${header.id}, ${request?.id} is due`);
    this.#idleTicks = 0;
    // When the reply cannot be read this throws, and the request still counts as unanswered.
    request.onReply(header, frame);
    this.#pending.shift();
  }

  /** Counts ticks and not time: when this process was the one that stood still, replies get a turn before the verdict. */
  #tick(): void {
    const [oldest] = this.#pending;
    if (!oldest) return;
    this.#idleTicks++;
    if (this.#idleTicks * TICK_MS <= oldest.limitMs + TICK_MS) return;
    this.#log.error({ pid: this.pid, limitMs: oldest.limitMs }, 'model host: no answer in time, ending it');
    this.kill('hung');
  }

  #gone_(how: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#stopTimer();
    this.#cancelClose();
    this.#pipe.destroy();
    const detail = this.#stderr ? `${how}: ${this.#stderr.trim()}` : how;
    const pending = this.#pending.splice(0);
    this.#options.onExit({ kind: this.#ending, detail });
    const lost = this.#lost();
    for (const request of pending) request.onLost?.(lost);
    this.#resolveEnded();
  }

  #lost(): GatewayError {
    return new GatewayError('MODEL_HOST', 'the model host ended before it answered');
  }
}

/** The coded error in the body of a FAILED reply. */
export function hostError(frame: Uint8Array): GatewayError {
  const { code, message, received, fix } = jsonBody(frame) as {
    code: ErrorCode;
    message: string;
    received?: unknown;
    fix?: string;
  };
  return new GatewayError(code, message, { received, ...(fix === undefined ? {} : { fix }) });
}

function every(clock: Clock, ms: number, task: () => void): () => void {
  let cancel = clock.after(ms, run);
  function run(): void {
    cancel = clock.after(ms, run);
    task();
  }
  return () => cancel();
}
