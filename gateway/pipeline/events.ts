import { StateReader, StateWriter } from '../stream/binary.ts';

/**
 * What happened to a consumer that its records do not tell. Kept with its state until a snapshot covers it, so that a
 * replay repeats the run exactly: each event takes effect after the records up to `position` (seq per input).
 */
export type ConsumerEvent =
  /** Time was advanced to `time` and closed windows of `keys` keys. */
  | {
      readonly kind: 'tick';
      readonly position: readonly number[];
      readonly time: number;
      readonly keys: number;
    }
  /** The gateway came back at `time` after it had been away for `ms`. */
  | {
      readonly kind: 'downtime';
      readonly position: readonly number[];
      readonly time: number;
      readonly ms: number;
    }
  /** Windows that a stateful model never saw, or did not answer. */
  | { readonly kind: 'skipped'; readonly position: readonly number[]; readonly windows: readonly string[] };

const KINDS = ['tick', 'downtime', 'skipped'] as const;

/** Rows of the log begin with this, so that they sort apart from state rows. */
export const EVENT_PREFIX = '!';

export function encodeEvent(event: ConsumerEvent): Uint8Array {
  const out = new StateWriter();
  out.u8(KINDS.indexOf(event.kind));
  out.u32(event.position.length);
  for (const seq of event.position) out.f64(seq);
  if (event.kind === 'skipped') {
    out.u32(event.windows.length);
    for (const window of event.windows) out.string(window);
  } else {
    out.f64(event.time);
    out.f64(event.kind === 'tick' ? event.keys : event.ms);
  }
  return out.finish();
}

/** Throws RangeError on a damaged row. */
export function decodeEvent(bytes: Uint8Array): ConsumerEvent {
  const input = new StateReader(bytes);
  const kind = KINDS[input.u8()];
  const position = Array.from({ length: input.u32() }, () => input.f64());
  if (kind === 'tick') return { kind, position, time: input.f64(), keys: input.f64() };
  if (kind === 'downtime') return { kind, position, time: input.f64(), ms: input.f64() };
  if (kind !== 'skipped') throw new RangeError('unknown event in a state row');
  return { kind, position, windows: Array.from({ length: input.u32() }, () => input.string()) };
}

/** Whether an event comes before record `seq` of input `input`. */
export function precedes(event: ConsumerEvent, input: number, seq: number): boolean {
  return seq > event.position[input]!;
}

/** Whether `position` has come as far as `target` on every input. */
export function reached(position: readonly number[], target: readonly number[]): boolean {
  for (let i = 0; i < target.length; i++) if (position[i]! < target[i]!) return false;
  return true;
}
