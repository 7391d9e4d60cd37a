import type { StreamConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import { type Decoder, stamp } from './decoder.ts';

/** The payload as it is, bit for bit, as the one field of a reading; it is called `payload` unless it is configured. */
export function bytesDecoder(stream: StreamConfig): Decoder {
  const fields = Object.freeze([Object.keys(stream.fields ?? {})[0] ?? 'payload']);
  return (payload, context) => {
    if (payload.length === 0) throw new GatewayError('DECODE_EMPTY', 'the payload is empty');
    const copy = new Uint8Array(payload.length);
    copy.set(payload);
    const value = { fields, values: [[copy]] };
    return [stamp(context.device ?? context.fallbackDevice, undefined, value, context)];
  };
}
