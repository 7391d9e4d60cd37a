/**
 * Where PUBLISH packets for clients are put together, one behind the other, so that those of a turn for one client lie
 * in one piece and go out without being copied or joined (MQTT 3.1.1 §3.3).
 */

const MEMORY_BYTES = 64 * 1024;
/** Above this many characters the bytes of a text are counted, not guessed. */
const LONG_TEXT = 4096;

/** Where a packet lies. One object serves all calls: it is true until the next. */
export interface Written {
  memory: Buffer;
  from: number;
  to: number;
}

const written: Written = { memory: Buffer.alloc(0), from: 0, to: 0 };

/** Writes a PUBLISH; `packet` counts when `qos` > 0. */
export function writePublish(
  topic: string,
  payload: string | Uint8Array,
  qos: 0 | 1 | 2,
  retain: boolean,
  dup: boolean,
  packet: number,
): Written {
  const identifier = qos > 0 ? 2 : 0;
  const start = reserve(9 + 3 * topic.length + mostBytes(payload));
  const { memory } = written;
  // As long as it is if all of it is ASCII; moved afterwards if it is not.
  const guessed = lengthBytes(2 + topic.length + identifier + payload.length);
  const body = start + 1 + guessed;
  const topicBytes = memory.write(topic, body + 2);
  memory[body] = topicBytes >> 8;
  memory[body + 1] = topicBytes & 255;
  let at = body + 2 + topicBytes;
  if (qos > 0) {
    memory[at++] = packet >> 8;
    memory[at++] = packet & 255;
  }
  if (typeof payload === 'string') at += memory.write(payload, at);
  else {
    memory.set(payload, at);
    at += payload.length;
  }
  const remaining = at - body;
  const needed = lengthBytes(remaining);
  if (needed !== guessed) memory.copyWithin(body + needed - guessed, body, at);
  memory[start] = 0x30 | (qos << 1) | (retain ? 1 : 0) | (dup && qos > 0 ? 8 : 0);
  let rest = remaining;
  for (let i = 1; i <= needed; i++, rest >>= 7) memory[start + i] = i < needed ? (rest & 127) | 128 : rest;
  written.from = start;
  written.to = at + needed - guessed;
  return written;
}

function reserve(bytes: number): number {
  if (written.to + bytes <= written.memory.length) return written.to;
  written.memory = Buffer.allocUnsafeSlow(Math.max(MEMORY_BYTES, bytes));
  return 0;
}

function mostBytes(payload: string | Uint8Array): number {
  if (typeof payload !== 'string') return payload.length;
  return payload.length > LONG_TEXT ? Buffer.byteLength(payload) : 3 * payload.length;
}

/** Bytes of the field "remaining length" (MQTT 3.1.1 §2.2.3). */
function lengthBytes(remaining: number): number {
  return remaining < 128 ? 1 : remaining < 16_384 ? 2 : remaining < 2_097_152 ? 3 : 4;
}
