import { randomBytes } from 'node:crypto';
import type { Clock } from '../../gateway/ports/clock.ts';
import { type ClientResponse, toResponse } from './client-request.ts';
import type { Message } from './message.ts';

export interface ObserveListener {
  /** The present state, then each newer one, in order. */
  onState(response: ClientResponse): void;
  /** The server will send no more: the resource is gone, or it does not answer. */
  onEnd?(reason: Error | ClientResponse): void;
}

export interface ClientObservation {
  /** Whether the server has put this client on its list. */
  readonly accepted: boolean;
  cancel(): Promise<void>;
}

export interface WatchParts {
  readonly clock: Clock;
  readonly random: () => number;
  register(token: Buffer, observe: 0 | 1, receive: (message: Message) => void): Promise<Message>;
  forget(token: Buffer): void;
  /** The whole body that begins with this first block. */
  fetchRest(first: Message): Promise<ClientResponse>;
  readonly listener: ObserveListener;
}

const HALF = 1 << 23;
/** A notification this much younger is newer whatever its number (RFC 7641 §3.4). */
const REORDER_WINDOW = 128_000;
const DEFAULT_MAX_AGE = 60;

/** Keeps one observation alive (RFC 7641 §3). */
export async function watch(parts: WatchParts): Promise<ClientObservation> {
  const { clock, listener } = parts;
  const token = randomBytes(4);
  let sequence = -1;
  let heardAt = 0;
  let ended = false;
  let cancelTimer: (() => void) | undefined;

  const end = (reason?: Error | ClientResponse): void => {
    if (ended) return;
    ended = true;
    cancelTimer?.();
    parts.forget(token);
    if (reason !== undefined) listener.onEnd?.(reason);
  };

  const deliver = async (message: Message): Promise<void> => {
    const order = sequence;
    const response = message.options.block2?.more ? await parts.fetchRest(message) : toResponse(message);
    if (!ended && sequence === order) listener.onState(response);
  };

  const receive = (message: Message): void => {
    if (ended) return;
    const observe = message.options.observe;
    if (observe === undefined || message.code >> 5 !== 2) {
      if (message.code >> 5 === 2) deliver(message).then(() => end(), end);
      else end(toResponse(message));
      return;
    }
    const now = clock.monotonic();
    if (sequence >= 0 && !isNewer(sequence, observe, now - heardAt)) return;
    sequence = observe;
    heardAt = now;
    // The server may be a little late, and not all clients should come back at once.
    const age = (message.options.maxAge ?? DEFAULT_MAX_AGE) * 1000 + 5_000 + parts.random() * 10_000;
    cancelTimer?.();
    cancelTimer = clock.after(age, () => {
      sequence = -1;
      parts.register(token, 0, receive).then(receive, end);
    });
    deliver(message).catch(end);
  };

  const first = await parts.register(token, 0, receive).catch((error: Error) => {
    parts.forget(token);
    throw error;
  });
  const accepted = first.options.observe !== undefined;
  receive(first);
  return {
    accepted,
    async cancel() {
      if (ended) return;
      end();
      if (accepted) await parts.register(token, 1, () => {});
      parts.forget(token);
    },
  };
}

function isNewer(before: number, now: number, elapsed: number): boolean {
  if (elapsed > REORDER_WINDOW) return true;
  return (before < now && now - before < HALF) || (before > now && before - now > HALF);
}
