/** How a request ended. */
export type Answer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly reason: string;
      readonly retryAfterMs: number | undefined;
    }
  /** No answer: the network, a timeout, stopping. */
  | { readonly kind: 'failed'; readonly reason: string };

/** What an answer means for the records of the request. */
export type Verdict =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'unavailable'; readonly reason: string; readonly retryAfterMs?: number }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Answers of the 400 family that say nothing about the records: credentials or address are wrong or not yet in place
 * (401, 403, 404, 405, 407, 421), or the time is (408, 409 as for a repeat whose original is still being worked on,
 * 423, 425, 426, 429). Records wait for these; refusing them would throw a backlog away for a mistyped token.
 */
const NOT_THE_RECORDS: ReadonlySet<number> = new Set([
  401, 403, 404, 405, 407, 408, 409, 421, 423, 425, 426, 429,
]);

export function verdict(answer: Answer, url: string): Verdict {
  if (answer.kind === 'failed') return { kind: 'unavailable', reason: answer.reason };
  const { status, retryAfterMs } = answer;
  if (status >= 200 && status < 300) return { kind: 'delivered' };
  const reason = `${new URL(url).origin} answered ${status}${answer.reason === '' ? '' : `: ${answer.reason}`}`;
  if (status >= 400 && status < 500 && !NOT_THE_RECORDS.has(status)) return { kind: 'refused', reason };
  return { kind: 'unavailable', reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** RFC 9110 §10.2.3: seconds, or a date. Undefined when there is none or it is neither. */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
