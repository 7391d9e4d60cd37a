/** Control packets that the door writes itself (MQTT 3.1.1 §3). */

export const PINGRESP = Buffer.from([0xd0, 0]);

export const connack = (code: number): Buffer => Buffer.from([0x20, 2, 0, code]);

export const pubrel = (packet: number): Buffer => Buffer.from([0x62, 2, packet >> 8, packet & 255]);

/** PUBACKs for several identifiers, one after another. */
export function pubacks(packets: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(packets.length * 4);
  let at = 0;
  for (const packet of packets) {
    bytes[at] = 0x40;
    bytes[at + 1] = 2;
    bytes[at + 2] = packet >> 8;
    bytes[at + 3] = packet & 255;
    at += 4;
  }
  return bytes;
}

/** A PUBLISH. `packet` is written when `qos` > 0. */
export function publish(
  topic: string,
  payload: Uint8Array,
  qos: 0 | 1 | 2,
  retain: boolean,
  dup: boolean,
  packet: number,
): Buffer {
  const topicLength = Buffer.byteLength(topic);
  const remaining = 2 + topicLength + (qos > 0 ? 2 : 0) + payload.length;
  const lengthBytes = remaining < 128 ? 1 : remaining < 16_384 ? 2 : remaining < 2_097_152 ? 3 : 4;
  const bytes = Buffer.allocUnsafe(1 + lengthBytes + remaining);
  bytes[0] = 0x30 | (qos << 1) | (retain ? 1 : 0) | (dup && qos > 0 ? 8 : 0);
  let at = 1;
  let rest = remaining;
  do {
    const byte = rest & 127;
    rest >>= 7;
    bytes[at++] = rest > 0 ? byte | 128 : byte;
  } while (rest > 0);
  bytes[at++] = topicLength >> 8;
  bytes[at++] = topicLength & 255;
  at += bytes.write(topic, at);
  if (qos > 0) {
    bytes[at++] = packet >> 8;
    bytes[at++] = packet & 255;
  }
  bytes.set(payload, at);
  return bytes;
}
