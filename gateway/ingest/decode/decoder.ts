import type { NewReading, ReadingValue } from '../../ports/reading.ts';
import { FLAG_TIME_REPLACED, FLAG_TIME_UNSYNCED } from '../../ports/reading.ts';
import { Entry } from '../../store/record.ts';

/** What a decoder needs to know of the message besides its payload. */
export interface DecodeContext {
  /** The device the address names; undefined when it names none. */
  readonly device: string | undefined;
  /** The device of payloads that name none either. */
  readonly fallbackDevice: string;
  /** Wall clock now, ms. */
  readonly arrival: number;
  /** Whether the wall clock is believed. */
  readonly synced: boolean;
}

/**
 * Turns one payload into its readings, all or none, in the order of the payload; at least one. Pure; copies what it
 * keeps of the payload.
 * @throws GatewayError of a DECODE_ code
 */
export type Decoder = (payload: Uint8Array, context: DecodeContext) => NewReading[];

/** Most readings one payload may give. */
export const MAX_READINGS = 10_000;
/** Most fields of a reading whose fields are not configured. */
export const MAX_FIELDS = 64;

/** Device clocks drift and disagree about time zones; what is further ahead than this is not an event time. */
const MAX_AHEAD_MS = 3_600_000;

/**
 * Places a value in time: the device's own time where there is one and it is not absurd, else the arrival time.
 * While the gateway's clock is not believed nothing can be called absurd, so the reading is flagged and kept as it is.
 */
export function stamp(
  device: string,
  eventTime: number | undefined,
  value: ReadingValue,
  context: DecodeContext,
): NewReading {
  const time = eventTime ?? context.arrival;
  if (!context.synced) return new Entry(device, time, FLAG_TIME_UNSYNCED, value);
  if (time > context.arrival + MAX_AHEAD_MS) {
    return new Entry(device, context.arrival, FLAG_TIME_REPLACED, value);
  }
  return new Entry(device, time, 0, value);
}
