import { type Block, blockSize } from './block.ts';
import type { Exchange } from './exchange.ts';
import { Code } from './protocol.ts';
import { failure, type Response } from './response.ts';

/** A body that arrives block by block (RFC 7959 §2.5). */
interface Transfer {
  readonly chunks: Buffer[];
  received: number;
  /** Monotonic ms of the newest block. */
  touched: number;
}

export interface TransferLimits {
  /** Largest body, bytes. */
  readonly maxBody: number;
  readonly maxTransfers: number;
  readonly maxPerPeer: number;
  /** All partial bodies together, bytes. */
  readonly maxBytes: number;
  /** A transfer without a new block for this long is forgotten, ms. */
  readonly expiry: number;
}

const CONTINUE: Response = Object.freeze({ code: Code.CONTINUE });

/**
 * Reassembles Block1 bodies. A transfer belongs to endpoint, method, path, query and Request-Tag (RFC 9175 §3) and
 * never to the token, because each block may come with another. Bounded in number, per peer and in bytes; the
 * transfer that was idle longest makes room.
 */
export class Transfers {
  readonly #limits: TransferLimits;
  readonly #now: () => number;
  /** In order of the newest block. */
  readonly #transfers = new Map<string, Transfer>();
  #bytes = 0;
  completed = 0;
  dropped = 0;

  constructor(limits: TransferLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  get size(): number {
    return this.#transfers.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes one block. Answers the whole body after the last one, else what the client gets for this block. */
  take(exchange: Exchange, block: Block): { body: Buffer } | { response: Response } {
    const { payload } = exchange;
    const size = blockSize(block.szx);
    if (block.szx === 7) return refuse(failure(Code.BAD_REQUEST, 'block size exponent 7 is reserved'));
    if (block.more && payload.length !== size) {
      return refuse(
        failure(Code.BAD_REQUEST, `a block before the last must have ${size} bytes, got ${payload.length}`),
      );
    }
    if (payload.length > size) {
      return refuse(
        failure(Code.BAD_REQUEST, `a block of ${payload.length} bytes is larger than its ${size}`),
      );
    }
    const offset = block.num * size;
    const announced = exchange.options.size1 ?? 0;
    if (Math.max(announced, offset + payload.length) > this.#limits.maxBody) {
      this.#drop(this.#key(exchange));
      return refuse(this.tooLarge());
    }
    if (block.num === 0 && !block.more) {
      this.#drop(this.#key(exchange));
      return { body: payload };
    }
    const key = this.#key(exchange);
    if (block.num === 0) this.#drop(key);
    this.#expire();
    const transfer = this.#transfers.get(key) ?? (offset === 0 ? this.#open(exchange, key) : undefined);
    if (transfer === undefined) return refuse(incomplete(offset, 0));
    if (offset !== transfer.received) {
      // A block that came before: the acknowledgement was lost and the client has started a new exchange for it.
      if (block.more && offset + size <= transfer.received) return refuse(CONTINUE);
      return refuse(incomplete(offset, transfer.received));
    }
    transfer.chunks.push(Buffer.from(payload));
    transfer.received += payload.length;
    transfer.touched = this.#now();
    this.#bytes += payload.length;
    if (!block.more) {
      this.#drop(key);
      this.completed += 1;
      return { body: Buffer.concat(transfer.chunks, transfer.received) };
    }
    this.#transfers.delete(key);
    this.#transfers.set(key, transfer);
    this.#makeRoom();
    return refuse(CONTINUE);
  }

  /** 4.13 with the largest body in Size1 (RFC 7959 §2.9.3). */
  tooLarge(): Response {
    const { maxBody } = this.#limits;
    return {
      ...failure(Code.REQUEST_ENTITY_TOO_LARGE, `at most ${maxBody} bytes are taken`),
      size1: maxBody,
    };
  }

  #key(exchange: Exchange): string {
    return `${exchange.peer} ${exchange.code} ${exchange.options.transferKey}`;
  }

  #open(exchange: Exchange, key: string): Transfer {
    const mine = `${exchange.peer} `;
    let count = 0;
    let oldest: string | undefined;
    for (const other of this.#transfers.keys()) {
      if (!other.startsWith(mine)) continue;
      oldest ??= other;
      count += 1;
    }
    if (count >= this.#limits.maxPerPeer && oldest !== undefined) this.#drop(oldest, true);
    const transfer: Transfer = { chunks: [], received: 0, touched: this.#now() };
    this.#transfers.set(key, transfer);
    return transfer;
  }

  #makeRoom(): void {
    while (this.#transfers.size > this.#limits.maxTransfers || this.#bytes > this.#limits.maxBytes) {
      const oldest = this.#transfers.keys().next();
      if (oldest.done) return;
      this.#drop(oldest.value, true);
    }
  }

  #expire(): void {
    const before = this.#now() - this.#limits.expiry;
    for (const [key, transfer] of this.#transfers) {
      if (transfer.touched > before) return;
      this.#drop(key, true);
    }
  }

  #drop(key: string, givenUp = false): void {
    const transfer = this.#transfers.get(key);
    if (transfer === undefined) return;
    this.#transfers.delete(key);
    this.#bytes -= transfer.received;
    if (givenUp) this.dropped += 1;
  }
}

function refuse(response: Response): { response: Response } {
  return { response };
}

function incomplete(offset: number, received: number): Response {
  return failure(
    Code.REQUEST_ENTITY_INCOMPLETE,
    `got the block at byte ${offset}, expected the one at byte ${received}: start again with block 0`,
  );
}
