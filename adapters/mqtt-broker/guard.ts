import { isFilter, isTopic } from './topic.ts';

/**
 * Checks control packets from clients before any other parser sees them (MQTT 3.1 and 3.1.1). What passes is well
 * formed: nothing behind this file has to cope with malformed packets.
 */

export const CONNECT = 1;
export const PUBLISH = 3;
export const PUBACK = 4;
export const PUBREC = 5;
export const PUBREL = 6;
export const PUBCOMP = 7;
export const SUBSCRIBE = 8;
export const UNSUBSCRIBE = 10;
export const PINGREQ = 12;
export const DISCONNECT = 14;

export interface PacketLimits {
  readonly maxTopicLevels: number;
  /** Filters in one SUBSCRIBE or UNSUBSCRIBE. */
  readonly maxFilters: number;
  /** Bytes of a client identifier. */
  readonly maxClientId: number;
}

/** Largest client identifier (bytes): 23 is what every server must take, more is its choice [MQTT-3.1.3-5]. */
export const MAX_CLIENT_ID = 256;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The string whose two-byte length stands at `at`; null when it is cut off, not UTF-8 or holds NUL [MQTT-1.5.3]. */
export function readString(data: Buffer, at: number, end: number): string | null {
  if (at + 2 > end) return null;
  const from = at + 2;
  const to = from + ((data[at]! << 8) | data[at + 1]!);
  if (to > end) return null;
  let ascii = true;
  for (let i = from; i < to; i++) {
    const byte = data[i]!;
    if (byte === 0) return null;
    if (byte > 127) ascii = false;
  }
  if (ascii) return data.toString('latin1', from, to);
  try {
    return utf8.decode(data.subarray(from, to));
  } catch {
    // Not UTF-8: for the caller this is one malformed string among others.
    return null;
  }
}

export type ConnectCheck =
  | {
      readonly kind: 'ok';
      readonly clientId: string;
      readonly clean: boolean;
      /** Seconds; 0: none. */
      readonly keepalive: number;
      readonly level: number;
    }
  /** Answer CONNACK with this code, then close. */
  | { readonly kind: 'refuse'; readonly code: number; readonly reason: string }
  | { readonly kind: 'malformed'; readonly reason: string };

const malformed = (reason: string): ConnectCheck => ({ kind: 'malformed', reason });

/** Checks a CONNECT (MQTT 3.1.1 §3.1). */
export function checkConnect(
  data: Buffer,
  start: number,
  body: number,
  end: number,
  limits: PacketLimits,
): ConnectCheck {
  if ((data[start]! & 15) !== 0) return malformed('flags of CONNECT');
  const protocol = readString(data, body, end);
  if (protocol !== 'MQTT' && protocol !== 'MQIsdp') return malformed('protocol name');
  let at = body + 2 + protocol.length;
  if (at + 4 > end) return malformed('CONNECT cut off');
  const level = data[at]!;
  // [MQTT-3.1.2-2]; a client of level 5 reads this answer too and falls back or gives up.
  if (level !== (protocol === 'MQTT' ? 4 : 3))
    return { kind: 'refuse', code: 1, reason: `protocol level ${level}` };
  const flags = data[at + 1]!;
  const will = (flags & 4) !== 0;
  const willQos = (flags >> 3) & 3;
  const username = (flags & 128) !== 0;
  const password = (flags & 64) !== 0;
  const clean = (flags & 2) !== 0;
  if ((flags & 1) !== 0) return malformed('reserved connect flag');
  if (willQos === 3 || (!will && (flags & 56) !== 0)) return malformed('will flags');
  // [MQTT-3.1.2-22]; 3.1 has the same rule without a number.
  if (password && !username) return malformed('password without user name');
  const keepalive = (data[at + 2]! << 8) | data[at + 3]!;
  at += 4;
  const clientId = readString(data, at, end);
  if (clientId === null) return malformed('client identifier');
  at = skip(data, at);
  if (clientId.length === 0 && (!clean || level === 3))
    return { kind: 'refuse', code: 2, reason: 'empty client identifier' };
  if (Buffer.byteLength(clientId) > limits.maxClientId)
    return { kind: 'refuse', code: 2, reason: 'client identifier too long' };
  if (will) {
    const topic = readString(data, at, end);
    if (topic === null || !isTopic(topic, limits.maxTopicLevels)) return malformed('will topic');
    at = skip(data, at);
    if (!fits(data, at, end)) return malformed('will message');
    at = skip(data, at);
  }
  if (username) {
    if (readString(data, at, end) === null) return malformed('user name');
    at = skip(data, at);
  }
  if (password) {
    if (!fits(data, at, end)) return malformed('password');
    at = skip(data, at);
  }
  if (at !== end) return malformed('bytes after CONNECT');
  return { kind: 'ok', clientId, clean, keepalive, level };
}

const skip = (data: Buffer, at: number): number => at + 2 + ((data[at]! << 8) | data[at + 1]!);

const fits = (data: Buffer, at: number, end: number): boolean => at + 2 <= end && skip(data, at) <= end;

/** What is wrong with a packet that follows CONNECT, or null. PUBLISH is checked where it is taken apart. */
export function checkPacket(
  data: Buffer,
  start: number,
  body: number,
  end: number,
  limits: PacketLimits,
): string | null {
  const type = data[start]! >> 4;
  const flags = data[start]! & 15;
  switch (type) {
    case PUBACK:
    case PUBREC:
    case PUBCOMP:
      return flags === 0 && end - body === 2 && identifier(data, body) ? null : 'acknowledgement';
    case PUBREL:
      // MQTT 3.1 clients may set DUP on PUBREL (3.1 §3.6).
      return (flags & 7) === 2 && end - body === 2 && identifier(data, body) ? null : 'PUBREL';
    case SUBSCRIBE:
    case UNSUBSCRIBE:
      return (flags & 7) === 2 ? checkFilters(data, body, end, type === SUBSCRIBE, limits) : 'flags';
    case PINGREQ:
    case DISCONNECT:
      return flags === 0 && end === body ? null : 'PINGREQ or DISCONNECT';
    case CONNECT:
      return 'second CONNECT';
    default:
      return `packet type ${type}`;
  }
}

const identifier = (data: Buffer, at: number): boolean => data[at] !== 0 || data[at + 1] !== 0;

function checkFilters(
  data: Buffer,
  body: number,
  end: number,
  qos: boolean,
  limits: PacketLimits,
): string | null {
  if (body + 2 > end || !identifier(data, body)) return 'packet identifier';
  let at = body + 2;
  let count = 0;
  while (at < end) {
    const filter = readString(data, at, end);
    if (filter === null || !isFilter(filter, limits.maxTopicLevels)) return 'topic filter';
    at = skip(data, at);
    if (qos) {
      if (at >= end || data[at]! > 2) return 'requested QoS';
      at++;
    }
    if (++count > limits.maxFilters) return 'number of topic filters';
  }
  return count > 0 ? null : 'no topic filter';
}

export interface PublishParts {
  topic: string;
  qos: 0 | 1 | 2;
  retain: boolean;
  packetId: number;
  payloadStart: number;
}

/** Takes a PUBLISH apart into `into` (MQTT 3.1.1 §3.3). Answers what is wrong with it, or null. */
export function parsePublish(
  data: Buffer,
  start: number,
  body: number,
  end: number,
  limits: PacketLimits,
  into: PublishParts,
): string | null {
  const flags = data[start]! & 15;
  const qos = (flags >> 1) & 3;
  if (qos === 3) return 'QoS 3';
  if (qos === 0 && (flags & 8) !== 0) return 'DUP with QoS 0';
  const topic = readString(data, body, end);
  if (topic === null || !isTopic(topic, limits.maxTopicLevels)) return 'topic';
  let at = skip(data, body);
  into.packetId = 0;
  if (qos > 0) {
    if (at + 2 > end || !identifier(data, at)) return 'packet identifier';
    into.packetId = (data[at]! << 8) | data[at + 1]!;
    at += 2;
  }
  into.topic = topic;
  into.qos = qos as 0 | 1 | 2;
  into.retain = (flags & 1) !== 0;
  into.payloadStart = at;
  return null;
}
