import type { ChannelParameters } from '../../ports/channels.ts';
import { invalid } from './invalid.ts';

/** What the parameters of a request say to the gateway; others are for nobody and pass. */
export interface RequestParameters {
  /** Milliseconds from the arrival. */
  readonly deadlineMs: number | undefined;
  readonly priority: 'interactive' | 'bulk';
  readonly sequence: { readonly id: string; readonly start: boolean; readonly end: boolean } | undefined;
  readonly replyTo: string | undefined;
  /** Whether outputs that are not named one by one come as binary data. */
  readonly binaryOutput: boolean;
  /** Who pays, as it came; the channel's book reads it. */
  readonly channel: ChannelParameters | undefined;
}

const MAX_SEQUENCE_ID = 256;

/** Object members as they are looked up: nothing inherited. */
export type Members = Readonly<Record<string, unknown>>;

export function membersOf(value: unknown, where: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value))
    throw invalid(`${where} must be an object`);
  return Object.assign(Object.create(null) as object, value) as Members;
}

/** @throws GatewayError REQUEST_INVALID */
export function readParameters(value: unknown): RequestParameters {
  const given = value === undefined || value === null ? {} : membersOf(value, 'parameters');
  return {
    deadlineMs: deadline(given),
    priority: priority(given.priority),
    sequence: sequence(given),
    replyTo: text(given.reply_to, 'reply_to'),
    binaryOutput: flag(given.binary_data_output, 'binary_data_output'),
    channel: channel(given),
  };
}

/** Words of a payer make sense on a channel only. */
function channel({ channel: id, ceiling, ack }: Members): ChannelParameters | undefined {
  if (id !== undefined && id !== null) return { channel: id, ceiling, ack };
  if (ceiling === undefined && ack === undefined) return undefined;
  throw invalid('parameters.channel must be given with ceiling and ack');
}

/** `deadline_ms` in milliseconds, or Triton's `timeout` in microseconds; 0 is no limit of its own. */
function deadline(given: Members): number | undefined {
  const ms = positive(given.deadline_ms, 'deadline_ms');
  if (ms !== undefined) return ms;
  const us = positive(given.timeout, 'timeout');
  return us === undefined || us === 0 ? undefined : us / 1000;
}

function positive(value: unknown, name: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number !== 'number' || !(number >= 0) || number === Number.POSITIVE_INFINITY)
    throw invalid(`parameters.${name} must be a number of at least 0`);
  return number;
}

/** 0 and 1 wait for the answer, 2 and above are bulk (Triton: lower values go first); the words are taken too. */
function priority(value: unknown): 'interactive' | 'bulk' {
  if (value === 'bulk' || value === 'interactive') return value;
  return (positive(value, 'priority') ?? 0) > 1 ? 'bulk' : 'interactive';
}

function sequence(given: Members): RequestParameters['sequence'] {
  const value = given.sequence_id;
  const start = flag(given.sequence_start, 'sequence_start');
  const end = flag(given.sequence_end, 'sequence_end');
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw invalid('parameters.sequence_id is no exact integer: send it as a string');
  if (!['string', 'number', 'bigint', 'undefined'].includes(typeof value) && value !== null)
    throw invalid('parameters.sequence_id must be a string or an integer');
  const id = value === undefined || value === null ? '' : String(value);
  if (id.length > MAX_SEQUENCE_ID)
    throw invalid(`parameters.sequence_id is longer than ${MAX_SEQUENCE_ID} characters`);
  if (id !== '' && id !== '0') return { id, start, end };
  if (start || end)
    throw invalid('parameters.sequence_id must be given with sequence_start and sequence_end');
  return undefined;
}

export function text(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw invalid(`parameters.${name} must be a string`);
  return value;
}

export function flag(value: unknown, name: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value !== 'boolean') throw invalid(`parameters.${name} must be true or false`);
  return value;
}
