import { GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { ModelState, TensorAnswer, TensorRequest } from '../ports/inference.ts';
import type { Called } from './call-work.ts';
import type { Model } from './model.ts';

/** Sequences whose state is kept; the one that was used longest ago gives way. */
const MAX_SEQUENCES = 4096;
const MAX_BYTES = 64 * 1024 * 1024;
/** A sequence that has not been used for so long is forgotten. */
const IDLE_MS = 10 * 60_000;
/** Calls of one sequence that wait for each other. */
const MAX_WAITING = 64;

/** One sequence of one account at one model. */
interface Sequence {
  readonly key: string;
  readonly model: Model;
  /** What the last call left; undefined before the first has been answered. */
  state: ModelState | undefined;
  bytes: number;
  usedAt: number;
  /** Calls that wait or run. */
  pending: number;
  /** Resolves when the last of them has ended. */
  tail: Promise<void>;
}

/** Where a call of a sequence belongs. */
export interface Place {
  readonly key: string;
  readonly start: boolean;
  readonly end: boolean;
  /** The version the sequence began with; undefined when it begins. */
  readonly model: Model | undefined;
}

/**
 * State of recurrent models between the calls of a sequence, in memory. A sequence stays with the version it began
 * with; a call that fails leaves its state as it was.
 */
export class Sequences {
  readonly #clock: Clock;
  /** In the order of their last use. */
  readonly #sequences = new Map<string, Sequence>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(clock: Clock, maxBytes = MAX_BYTES) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  /** Where a call belongs; undefined for a call of no sequence. */
  place(reference: string, { sequence, account }: TensorRequest): Place | undefined {
    if (!sequence) return undefined;
    const { id, start, end } = sequence;
    const key = `${reference}\n${account}\n${id}`;
    return { key, start, end, model: start ? undefined : this.#sequences.get(key)?.model };
  }

  /**
   * Runs a call after those of its sequence before it, with the state they left. Rejects with SEQUENCE_UNKNOWN when it
   * goes on with a sequence of which nothing is known.
   */
  async run(
    { key, start, end }: Place,
    model: Model,
    call: (state: ModelState | undefined) => Promise<Called>,
  ): Promise<TensorAnswer> {
    const sequence = this.#enter(key, start, model);
    const before = sequence.tail;
    let leave: () => void = () => undefined;
    sequence.pending++;
    sequence.tail = new Promise((resolve) => {
      leave = resolve;
    });
    try {
      await before;
      if (!start && !sequence.state) throw unknown(key);
      const { answer, state } = await call(start ? undefined : sequence.state);
      if (answer.ok && state) this.#keep(sequence, state);
      return answer;
    } finally {
      leave();
      sequence.pending--;
      sequence.usedAt = this.#clock.monotonic();
      if (sequence.pending === 0 && (end || !sequence.state)) this.#drop(sequence);
    }
  }

  /** Nothing is known of a sequence any more. */
  forget({ key }: Place): void {
    const sequence = this.#sequences.get(key);
    if (sequence) this.#drop(sequence);
  }

  #enter(key: string, start: boolean, model: Model): Sequence {
    this.#expire();
    let sequence = this.#sequences.get(key);
    if (!sequence || sequence.model !== model) {
      if (!start) throw unknown(key);
      // Calls of another version that are under way end on their own.
      if (sequence) this.#drop(sequence);
      this.#makeRoom();
      const usedAt = this.#clock.monotonic();
      sequence = { key, model, state: undefined, bytes: 0, usedAt, pending: 0, tail: Promise.resolve() };
    } else if (sequence.pending >= MAX_WAITING)
      throw new GatewayError('QUEUE_FULL', `${sequence.pending} calls of this sequence are waiting`);
    this.#sequences.delete(key);
    this.#sequences.set(key, sequence);
    return sequence;
  }

  #keep(sequence: Sequence, state: ModelState): void {
    let bytes = 0;
    for (const name in state) bytes += state[name]!.byteLength;
    sequence.state = state;
    if (this.#sequences.get(sequence.key) !== sequence) return;
    this.#bytes += bytes - sequence.bytes;
    sequence.bytes = bytes;
  }

  #drop(sequence: Sequence): void {
    if (this.#sequences.get(sequence.key) === sequence) this.#sequences.delete(sequence.key);
    this.#bytes -= sequence.bytes;
    sequence.bytes = 0;
  }

  #expire(): void {
    const before = this.#clock.monotonic() - IDLE_MS;
    for (const sequence of this.#sequences.values()) {
      if (sequence.usedAt > before) return;
      if (sequence.pending === 0) this.#drop(sequence);
    }
  }

  #makeRoom(): void {
    for (const sequence of this.#sequences.values()) {
      if (this.#sequences.size < MAX_SEQUENCES && this.#bytes <= this.#maxBytes) return;
      if (sequence.pending === 0) this.#drop(sequence);
    }
    if (this.#sequences.size >= MAX_SEQUENCES)
      throw new GatewayError('QUEUE_FULL', `${MAX_SEQUENCES} sequences are under way`);
  }
}

const unknown = (key: string): GatewayError =>
  new GatewayError('SEQUENCE_UNKNOWN', `nothing is known of sequence "${key.split('\n').at(-1)}"`, {
    expected: 'a call that starts it',
  });
