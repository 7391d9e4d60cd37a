import { isAscii, isUtf8 } from 'node:buffer';
import { GatewayError } from '../../errors.ts';

/**
 * The payload as text, without a byte order mark. ASCII, which nearly all sensor payloads are, takes the one-byte
 * path of the engine.
 * @throws GatewayError DECODE_EMPTY, DECODE_SYNTAX when it is not UTF-8
 */
export function textOf(payload: Uint8Array): string {
  if (payload.length === 0) throw new GatewayError('DECODE_EMPTY', 'the payload is empty');
  const buffer = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (isAscii(buffer)) return buffer.toString('latin1');
  if (!isUtf8(buffer))
    throw new GatewayError('DECODE_SYNTAX', 'the payload is not UTF-8', { expected: 'UTF-8 text' });
  const bom = buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf;
  return buffer.toString('utf8', bom ? 3 : 0);
}
