import type { InboundProperties } from '../../gateway/ports/source.ts';

/** Bytes of the value of each property of PUBLISH (MQTT 5 §2.2.2.2); 0: two bytes of length before it. */
const FIXED: Readonly<Record<number, number>> = { 1: 1, 2: 4, 3: 0, 8: 0, 9: 0, 35: 2 };
const CONTENT_TYPE = 3;
const RESPONSE_TOPIC = 8;
const CORRELATION = 9;
const SUBSCRIPTION_ID = 11;
const USER = 38;

/** A variable byte integer (§1.5.5) and the place behind it; null when it is malformed. */
export function readVariable(data: Buffer, from: number, end: number): { value: number; at: number } | null {
  let value = 0;
  let factor = 1;
  for (let i = 0; i < 4 && from + i < end; i++) {
    const byte = data[from + i]!;
    value += (byte & 127) * factor;
    if (byte < 128) return { value, at: from + i + 1 };
    factor *= 128;
  }
  return null;
}

/** What the gateway wants of the properties of a PUBLISH; null when they are malformed. */
export function readProperties(data: Buffer, from: number, end: number): InboundProperties | null {
  const found: { -readonly [K in keyof InboundProperties]: InboundProperties[K] } = {};
  let at = from;
  while (at < end) {
    const id = data[at++]!;
    if (id === SUBSCRIPTION_ID) {
      const variable = readVariable(data, at, end);
      if (!variable) return null;
      at = variable.at;
      continue;
    }
    const fixed = id === USER ? 0 : FIXED[id];
    if (fixed === undefined) return null;
    for (let part = id === USER ? 2 : 1; part > 0; part--) {
      const size = fixed > 0 ? fixed : at + 2 <= end ? data.readUInt16BE(at) : end;
      const start = fixed > 0 ? at : at + 2;
      if (start + size > end) return null;
      const value = data.subarray(start, start + size);
      if (id === CONTENT_TYPE) found.contentType = value.toString();
      else if (id === RESPONSE_TOPIC) found.responseTopic = value.toString();
      else if (id === CORRELATION) found.correlation = Buffer.from(value);
      at = start + size;
    }
  }
  return found;
}
