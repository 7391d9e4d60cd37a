import { hash } from 'node:crypto';
import type { GatewayError } from '../errors.ts';
import type { Admission } from '../ports/channels.ts';
import type { InferenceReply, ReplyAddress } from '../ports/serving.ts';
import type { InferRequest } from './protocol/request.ts';

/** Someone who waits for an answer: a door, or a topic to which it is published. */
export interface Waiter {
  readonly address: ReplyAddress | undefined;
  done(reply: InferenceReply): void;
}

/** What has to be known of a request to run it again after a crash, beside its body. */
export interface StoredCall {
  readonly model: string;
  readonly version?: string;
  readonly headerBytes?: number;
  readonly encoding?: 'json' | 'cbor';
  /** Whether the caller gave the id: answers to others are not kept. */
  readonly ownId: boolean;
  /** Correlation data in base64. */
  readonly reply?: { readonly topic: string; readonly correlation?: string };
}

/** One request from its arrival to its answer; repetitions that come meanwhile wait with it. */
export interface Flight {
  readonly account: string;
  readonly id: string;
  readonly call: StoredCall;
  readonly body: Uint8Array;
  request: InferRequest;
  /** Whether the ledger has a row for it. */
  readonly ledgered: boolean;
  readonly waiters: Waiter[];
  /** To be told once the ledger has it. */
  readonly accepting: ((error: GatewayError | null) => void)[];
  /** Wall clock, ms. */
  accepted: number;
  deadline: number;
  /** Monotonic, ms: how long it takes is told by this one. */
  begun: number;
  state: 'accepting' | 'running' | 'committing' | 'done';
  late: boolean;
  cancelDeadline: () => void;
  /** Room on the channel that pays. */
  admission?: Admission;
}

export const keyOf = (account: string, id: string): string => `${account}\u0000${id}`;

/** SHA-256 over what was asked: a repetition has the same. */
export function requestHash({ model, version }: StoredCall, body: Uint8Array): Buffer {
  const head = Buffer.from(`${model}\u0000${version ?? ''}\u0000`);
  return hash('sha256', Buffer.concat([head, body]), 'buffer');
}

export const storedAddress = (address: ReplyAddress | undefined): StoredCall['reply'] | undefined =>
  address && {
    topic: address.topic,
    ...(address.correlation ? { correlation: Buffer.from(address.correlation).toString('base64') } : {}),
  };

export const addressOf = (stored: StoredCall['reply']): ReplyAddress | undefined =>
  stored && {
    topic: stored.topic,
    ...(stored.correlation === undefined ? {} : { correlation: Buffer.from(stored.correlation, 'base64') }),
  };
