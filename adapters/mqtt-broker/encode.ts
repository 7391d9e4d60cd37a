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
