import type { ChildProcess } from 'node:child_process';
import type { Duplex, Readable } from 'node:stream';
import { LineReader, line } from '../../flows/host/lines.ts';
import type { Beat, FromHost, NodeName, Start, ToHost } from '../../flows/host/protocol.ts';
import type { Clock } from '../ports/clock.ts';
import { paced } from './paced.ts';
import { yieldProcessor } from './spawn-host.ts';

/** Why a host is gone. `hung`: it gave no turn to its main thread. `memory`: it had all it may have. */
export interface HostEnd {
  readonly kind: 'stopped' | 'threw' | 'hung' | 'memory' | 'crashed' | 'killed' | 'broken-protocol';
  readonly detail: string;
  /** The node that did it, as far as is known. */
  readonly node?: NodeName;
}

export interface HostListener {
  ready(version: string): void;
  /** What the host wants to have, or to be kept. Answers the text that goes back. */
  ask(message: Extract<FromHost, { kind: 'load' | 'keep' }>): Promise<string>;
  log(level: 'error' | 'warn' | 'info', text: string): void;
  /** Once, whatever way it ends. */
  ended(end: HostEnd): void;
}

export interface HostLimits {
  /** Milliseconds without a turn of the main thread, or without a beat, after which it is taken for hung. */
  readonly hangAfter: number;
  /** Resident bytes. */
  readonly maxRss: number;
  /** How many times as long everything takes now, because the machine has more to do than processors: 1 and up. */
  readonly crowding: () => number;
}

/** Loading Node-RED and some hundred nodes takes a while on a small board, and nothing else has a turn meanwhile. */
const START_LIMIT_MS = 180_000;
const LOOK_MS = 500;
const STALLED_MS = 1000;
/** Of so many beats, a second each, so many may find the main thread at work without a pause. */
const BEATS = 32;
const MOST_STALLS = 24;
const STDERR_KEPT = 2000;
const LONGEST_LINE = 64 * 1024 * 1024;
/** Bytes a second that are read of what a host says; its flows may say more. */
const TALK_RATE = 32 * 1024 * 1024;
const BEAT_RATE = 64 * 1024;
const ERROR_RATE = 256 * 1024;

/** One flows host, from its first line to its exit. */
export class HostProcess {
  readonly #child: ChildProcess;
  readonly #talk: Duplex;
  readonly #clock: Clock;
  readonly #listener: HostListener;
  readonly #limits: HostLimits;
  readonly #begun: number;
  #heardAt: number;
  #ready = false;
  #end: HostEnd['kind'] | undefined;
  #why = '';
  #node: NodeName | undefined;
  #stderr = '';
  #cancelLook: () => void;
  #cancelStop: () => void = () => undefined;
  #gone = false;
  #beatAt = 0;
  #turns = false;
  #growing = '';
  /** The last beats, a bit each: 1 where the main thread had no turn for long. */
  #stalls = 0;
  #resolveEnded: () => void = () => undefined;
  readonly ended: Promise<void>;

  constructor(child: ChildProcess, start: Start, limits: HostLimits, clock: Clock, listener: HostListener) {
    this.#child = child;
    this.#clock = clock;
    this.#limits = limits;
    this.#listener = listener;
    this.#begun = clock.monotonic();
    this.#heardAt = this.#begun;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#talk = child.stdio[3] as Duplex;
    this.#read(this.#talk, TALK_RATE, LONGEST_LINE, (value) => this.#take(value as FromHost));
    this.#read(child.stdio[4] as Duplex, BEAT_RATE, 1024, (value) => this.#beat(value as Beat));
    paced(child.stderr!, ERROR_RATE, clock, (chunk) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-STDERR_KEPT);
    });
    // Writing to a host that has just ended fails; its exit says the rest.
    this.#talk.on('error', () => undefined);
    child.once('error', (error) => this.#finish('crashed', `could not be started: ${error.message}`));
    child.once('close', (code, signal) => this.#exited(code, signal));
    this.#cancelLook = clock.after(LOOK_MS, () => this.#look());
    this.#send(start);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Whether its main thread has had a turn just now. */
  get responsive(): boolean {
    return this.#ready && this.#turns && this.#clock.monotonic() - this.#beatAt < STALLED_MS * 2;
  }

  /** Lets nodes close, and ends it when they do not within a time. */
  stop(limitMs: number): Promise<void> {
    if (!this.#gone && this.#end === undefined) {
      this.#end = 'stopped';
      this.#send({ kind: 'stop' });
      this.#cancelStop = this.#clock.after(limitMs, () => this.#child.kill('SIGKILL'));
    }
    return this.ended;
  }

  #read(stream: Readable, rate: number, longest: number, take: (value: unknown) => void): void {
    const reader = new LineReader(longest, take);
    paced(stream, rate, this.#clock, (chunk) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.#kill('broken-protocol', String(error));
      }
    });
    stream.on('error', () => undefined);
  }

  #send(message: ToHost): void {
    if (!this.#gone) this.#talk.write(line(message));
  }

  #take(message: FromHost): void {
    switch (message.kind) {
      case 'ready':
        this.#ready = true;
        if (this.#child.pid !== undefined) yieldProcessor(this.#child.pid);
        this.#stalls = 0;
        this.#heardAt = this.#clock.monotonic();
        this.#listener.ready(message.version);
        return;
      case 'log':
        this.#listener.log(message.level, message.text);
        return;
      case 'fault':
        this.#node = message.node;
        this.#end ??= 'threw';
        this.#why = message.message;
        return;
      case 'load':
      case 'keep': {
        const { id } = message;
        this.#listener.ask(message).then(
          (text) => this.#send({ kind: 'answer', id, text }),
          (error: Error) => this.#send({ kind: 'refused', id, message: error.message }),
        );
      }
    }
  }

  #beat({ stalled, busy, node, growing, rss }: Beat): void {
    const now = this.#clock.monotonic();
    this.#beatAt = now;
    this.#turns = stalled < STALLED_MS / 2;
    this.#growing = growing;
    this.#heardAt = Math.max(this.#heardAt, now - stalled);
    // A machine that is busy with other things leaves it no turn either, but no processor time to speak of.
    const hogging = stalled >= STALLED_MS && busy > 0.5;
    this.#stalls = ((this.#stalls << 1) | (hogging ? 1 : 0)) >>> 0;
    if (this.#ready && bits(this.#stalls) >= MOST_STALLS)
      this.#kill('hung', `its main thread had hardly a turn for ${BEATS} s`);
    if (node !== '' && this.#end === undefined) this.#node = { id: node };
    if (rss > this.#limits.maxRss) this.#kill('memory', `${Math.round(rss / 1e6)} MB, more than it may have`);
  }

  /** Whether it still gives its main thread a turn. */
  #look(): void {
    const now = this.#clock.monotonic();
    const silent = now - this.#heardAt;
    const limit = this.#ready ? this.#limits.hangAfter * this.#limits.crowding() : START_LIMIT_MS;
    if (this.#end !== 'stopped' && silent > limit)
      this.#kill('hung', `no turn of its main thread for ${Math.round(silent / 1000)} s`);
    else this.#cancelLook = this.#clock.after(LOOK_MS, () => this.#look());
  }

  #kill(kind: HostEnd['kind'], why: string): void {
    if (this.#gone) return;
    this.#end ??= kind;
    this.#why ||= why;
    this.#child.kill('SIGKILL');
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    const last = this.#stderr.trim().split('\n').slice(-3).join(' | ');
    const how = signal ?? `exit code ${code}`;
    if (this.#end !== undefined) this.#finish(this.#end, this.#why);
    // V8 says so and aborts.
    else if (
      /heap out of memory|Allocation failed/.test(this.#stderr) ||
      signal === 'SIGABRT' ||
      code === 134
    )
      this.#finish('memory', 'its heap was full');
    else this.#finish(signal === 'SIGKILL' ? 'killed' : 'crashed', last === '' ? how : `${how}: ${last}`);
  }

  #finish(kind: HostEnd['kind'], detail: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#cancelLook();
    this.#cancelStop();
    const node = kind === 'memory' && this.#growing !== '' ? { id: this.#growing } : this.#node;
    this.#listener.ended({ kind, detail, ...(node ? { node } : {}) });
    this.#resolveEnded();
  }
}

function bits(value: number): number {
  let count = 0;
  for (let rest = value; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
  return count;
}
