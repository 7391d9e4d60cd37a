import { hash } from 'node:crypto';
import { type Block, blockSize, MAX_SZX } from './block.ts';
import type { Request } from './exchange.ts';
import { Code } from './protocol.ts';
import { failure, type Response, type TransferOptions } from './response.ts';

export interface Slice {
  readonly response: Response;
  readonly transfer: TransferOptions;
}

interface Snapshot {
  readonly response: Response;
  readonly takenAt: number;
}

const MAX_SNAPSHOTS = 256;
const MAX_BYTES = 8 << 20;
const LIFETIME = 30_000;

/** A short strong ETag of a representation. */
export function entityTag(payload: Uint8Array): Buffer {
  return hash('sha256', payload, 'buffer').subarray(0, 8);
}

/**
 * Cuts large representations into blocks (RFC 7959 §2.4) and keeps the one a client has begun to fetch for a while,
 * so that its blocks belong together even when the state has moved on. Bounded in number and bytes.
 */
export class Snapshots {
  readonly #now: () => number;
  readonly #kept = new Map<string, Snapshot>();
  #bytes = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** The representation whose first block this client got, for a later one. */
  find(request: Request): Response | undefined {
    const snapshot = this.#kept.get(keyOf(request));
    if (snapshot === undefined || this.#now() - snapshot.takenAt > LIFETIME) return undefined;
    return snapshot.response;
  }

  /** The part of a response that the request asks for, or the whole when it is small. */
  slice(request: Request, response: Response): Slice {
    const wanted = request.options.block2;
    const payload = response.payload;
    if (payload === undefined || response.code >> 5 !== 2) return { response, transfer: {} };
    const szx = Math.min(wanted?.szx ?? MAX_SZX, MAX_SZX);
    const size = blockSize(szx);
    const num = wanted?.num ?? 0;
    if (wanted === undefined && payload.length <= size) return { response, transfer: {} };
    const start = num * size;
    if (num > 0 && start >= payload.length) {
      return {
        response: failure(Code.BAD_REQUEST, `block ${num} is past the end of ${payload.length} bytes`),
        transfer: {},
      };
    }
    const block: Block = { num, more: start + size < payload.length, szx };
    const tagged = response.etag === undefined ? { ...response, etag: entityTag(payload) } : response;
    if (num === 0 && block.more) this.#keep(keyOf(request), tagged);
    return {
      response: { ...tagged, payload: payload.subarray(start, start + size) },
      transfer: { block2: block, ...(num === 0 ? { size2: payload.length } : {}) },
    };
  }

  #keep(key: string, response: Response): void {
    this.#drop(key);
    this.#kept.set(key, { response, takenAt: this.#now() });
    this.#bytes += response.payload?.length ?? 0;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_SNAPSHOTS && this.#bytes <= MAX_BYTES) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const snapshot = this.#kept.get(key);
    if (snapshot === undefined) return;
    this.#kept.delete(key);
    this.#bytes -= snapshot.response.payload?.length ?? 0;
  }
}

function keyOf(request: Request): string {
  return `${request.peer} ${request.code} ${request.options.transferKey}`;
}
