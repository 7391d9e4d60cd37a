import { Worker } from 'node:worker_threads';
import { ERROR_CODES, type ErrorCode, GatewayError } from '../errors.ts';
import type {
  CallAnswers,
  CallRequest,
  Changes,
  CodedFailure,
  GroupReply,
  GroupRequest,
  LoadedState,
  Reply,
  StreamTerms,
  WriterOptions,
} from './protocol.ts';

/** The writer runs as it stands in the source tree, or as it was built. */
const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './writer/worker.ts' : './writer/worker.js',
  import.meta.url,
);
/** The thread makes little garbage; the default lets it take 48 MiB before it looks. */
const YOUNG_MIB = 8;

export interface WriterEvents {
  onGroup(reply: GroupReply): void;
  onChanges(changes: Changes): void;
  onRebuilt(state: LoadedState): void;
  /** The thread ended without being asked to. */
  onLost(error: Error): void;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** The main thread's end of the line to the writer thread. */
export class WriterLink {
  readonly #worker: Worker;
  readonly #events: WriterEvents;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #ready: Waiting | undefined;
  #closed: (() => void) | undefined;
  #failure: Error | undefined;

  constructor(options: WriterOptions, events: WriterEvents) {
    this.#events = events;
    this.#worker = new Worker(WORKER, {
      workerData: options,
      name: 'store-writer',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    this.#worker.on('message', (reply: Reply) => this.#take(reply));
    this.#worker.on('error', (error) => (this.#failure = error));
    this.#worker.on('exit', () => this.#ended());
  }

  /** Resolves when the database is open; rejects with the reason when it cannot be. */
  ready(): Promise<LoadedState> {
    return new Promise((resolve, reject) => {
      this.#ready = { resolve, reject };
    });
  }

  sendGroup(request: GroupRequest): void {
    this.#worker.postMessage(request, [request.buffer]);
  }

  sendTerms(streams: readonly StreamTerms[]): void {
    if (streams.length > 0) this.#worker.postMessage({ kind: 'terms', streams });
  }

  call<K extends CallRequest['call']>(request: Extract<CallRequest, { call: K }>): Promise<CallAnswers[K]> {
    return new Promise((resolve, reject) => {
      const id = ++this.#calls;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ kind: 'call', id, request });
    });
  }

  /** Lets the writer finish, checkpoint and close. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#closed = resolve;
      this.#worker.postMessage({ kind: 'close' });
    });
  }

  async terminate(): Promise<void> {
    this.#closed = () => {};
    await this.#worker.terminate();
  }

  #take(reply: Reply): void {
    switch (reply.kind) {
      case 'ready':
        this.#ready?.resolve(reply.state as never);
        this.#ready = undefined;
        break;
      case 'refused':
        this.#failure = asError(reply.error);
        break;
      case 'group':
        if (reply.changes !== undefined) this.#events.onChanges(reply.changes);
        this.#events.onGroup(reply);
        break;
      case 'changes':
        this.#events.onChanges(reply.changes);
        break;
      case 'rebuilt':
        this.#events.onRebuilt(reply.state);
        break;
      case 'answer':
        this.#settle(reply.id)?.resolve(reply.value as never);
        break;
      case 'failure':
        this.#settle(reply.id)?.reject(asError(reply.error));
        break;
      case 'closed':
        break;
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #ended(): void {
    const error = this.#failure ?? new GatewayError('STORE_CLOSED', 'store: the writer thread has ended');
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
    if (this.#ready !== undefined) this.#ready.reject(error);
    else if (this.#closed !== undefined) this.#closed();
    else this.#events.onLost(error);
    this.#ready = undefined;
  }
}

/** A failure that crossed from the writer thread, as the error it was. */
export function asError(failure: CodedFailure): GatewayError {
  const known = failure.code in ERROR_CODES;
  const code = (known ? failure.code : 'INTERNAL') as ErrorCode;
  const message =
    known || failure.code === 'INTERNAL' ? failure.message : `${failure.code}: ${failure.message}`;
  return new GatewayError(code, message, failure.fix === undefined ? {} : { fix: failure.fix });
}
