import type { Duplex } from 'node:stream';
import { pubacks } from './encode.ts';
import { writePublish } from './packet-memory.ts';

/** Above this many bytes on their way to a client nothing more is offered to it that can wait or be dropped. */
export const SOFT_LIMIT = 256 * 1024;
/** Above this the client is too slow for what it subscribed to and is disconnected. */
export const HARD_LIMIT = 4 * 1024 * 1024;

const NOTHING = Buffer.alloc(0);

/**
 * What goes out to one client, gathered over a turn of the event loop and written in one piece: acknowledgements and
 * deliveries of a whole group commit cost one system call per client.
 */
export class Egress {
  readonly #stream: Duplex;
  readonly #schedule: (egress: Egress) => void;
  readonly #onRoom: () => void;
  #chunks: Uint8Array[] = [];
  /** Packets that lie one behind the other, the newest of what is to go out; none when `#runTo` is 0. */
  #run: Buffer = NOTHING;
  #runFrom = 0;
  #runTo = 0;
  #acks: number[] = [];
  #bytes = 0;
  #scheduled = false;
  #writes = 0;
  /** Last time (a count of writes) the client took something; compared by {@link stalled}. */
  #taken = 0;
  #lookedAt = -1;
  #stalledFor = 0;

  /**
   * @param schedule asks for {@link flush} at the end of this turn
   * @param onRoom called when something was taken and there is room again
   */
  constructor(stream: Duplex, schedule: (egress: Egress) => void, onRoom: () => void) {
    this.#stream = stream;
    this.#schedule = schedule;
    this.#onRoom = onRoom;
  }

  /** Bytes that the client has not taken yet. */
  get bytes(): number {
    return this.#bytes + this.#acks.length * 4 + this.#stream.writableLength;
  }

  put(bytes: Uint8Array): void {
    this.#endRun();
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
    this.#wake();
  }

  /** Queues a PUBLISH; `packet` counts when `qos` > 0. */
  publish(
    topic: string,
    payload: string | Uint8Array,
    qos: 0 | 1 | 2,
    retain: boolean,
    dup: boolean,
    packet: number,
  ): void {
    const { memory, from, to } = writePublish(topic, payload, qos, retain, dup, packet);
    if (this.#runTo !== from || this.#run !== memory || this.#runTo === 0) {
      this.#endRun();
      this.#run = memory;
      this.#runFrom = from;
    }
    this.#runTo = to;
    this.#bytes += to - from;
    this.#wake();
  }

  #endRun(): void {
    if (this.#runTo === 0) return;
    const bytes = this.#run.subarray(this.#runFrom, this.#runTo);
    // A client that is behind must not hold on to memory in which the packets of others lie.
    this.#chunks.push(this.#stream.writableLength > 0 ? Buffer.from(bytes) : bytes);
    this.#run = NOTHING;
    this.#runTo = 0;
  }

  /** Queues a PUBACK. */
  acknowledge(packet: number): void {
    this.#acks.push(packet);
    this.#wake();
  }

  #wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(this);
  }

  flush(): void {
    this.#scheduled = false;
    this.#endRun();
    if (this.#stream.destroyed || this.#stream.writableEnded) {
      this.#chunks = [];
      this.#acks = [];
      this.#bytes = 0;
      return;
    }
    if (this.#acks.length > 0) {
      this.#chunks.unshift(pubacks(this.#acks));
      this.#bytes += this.#acks.length * 4;
      this.#acks = [];
    }
    if (this.#chunks.length === 0) return;
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#bytes);
    this.#chunks = [];
    this.#bytes = 0;
    this.#writes++;
    this.#stream.write(bytes, this.#onWritten);
  }

  readonly #onWritten = (error?: Error | null): void => {
    this.#taken++;
    if (!error && this.bytes < SOFT_LIMIT / 2) this.#onRoom();
  };

  /** Called about every `elapsed` ms: for how long (ms) the client has taken nothing although something waits. */
  stalled(elapsed: number): number {
    this.#stalledFor =
      this.#writes > this.#taken && this.#taken === this.#lookedAt ? this.#stalledFor + elapsed : 0;
    this.#lookedAt = this.#taken;
    return this.#stalledFor;
  }
}
