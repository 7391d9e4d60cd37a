import type { LinkReply } from '../ports/payer-link.ts';

/** What answers to requests mean. */

/** Answers after which the same request may be sent again: it was not computed. */
const AGAIN: ReadonlySet<string> = new Set([
  ...['QUEUE_FULL', 'STORE_BUSY', 'STORE_FULL', 'STORE_IO', 'STORE_CLOSED', 'STOPPING'],
  ...['MODEL_HOST', 'REMOTE_UNAVAILABLE', 'THROTTLED', 'RATE_EXPIRED'],
]);
/** Whether the request was not computed and may be sent again: also when it was not taken because of its channel. */
export const mayBeSentAgain = (code: string): boolean => AGAIN.has(code) || code.startsWith('CHANNEL_');

export type Asked =
  | { readonly kind: 'answered'; readonly id: string; readonly reply: LinkReply }
  /** The terminal answer was an error. */
  | { readonly kind: 'failed'; readonly id: string; readonly code: string; readonly message: string }
  /** Not now: send it again later, it is in the books. */
  | { readonly kind: 'later'; readonly id: string; readonly code: string; readonly message: string };

/** The receipt in an answer; undefined where there is none or the answer is no JSON. */
export function receiptIn(body: Uint8Array, headerBytes: number = body.length): unknown {
  try {
    const answer: unknown = JSON.parse(
      Buffer.from(body.buffer, body.byteOffset, headerBytes).toString('utf8'),
    );
    const receipt =
      typeof answer === 'object' && answer !== null && 'receipt' in answer ? answer.receipt : undefined;
    // Without a channel, a receipt only names where the use is counted.
    return typeof receipt === 'object' && receipt !== null && 'channelId' in receipt ? receipt : undefined;
  } catch {
    return undefined;
  }
}
