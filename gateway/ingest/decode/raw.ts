import type { FieldConfig, StreamConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import type { FieldValue, NumericArray } from '../../ports/reading.ts';
import { compileField, notFinite } from '../fields/field.ts';
import { type Decoder, stamp } from './decoder.ts';

const TYPES = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/**
 * Samples as they lie in memory: little-endian, channels interleaved. One payload is one reading; each field is the
 * array of one channel in the type it came in, or a number when the payload holds a single frame and the field is not
 * an `array`. Without fields: `value`, or `ch0`, `ch1` … for several channels.
 */
export function rawDecoder(stream: StreamConfig): Decoder {
  const { type, channels } = { type: 'float32' as const, channels: 1, ...stream.raw };
  const Type = TYPES[type];
  const frame = Type.BYTES_PER_ELEMENT * channels;
  const configured = stream.fields && Object.entries(stream.fields);
  const plan = (configured ?? defaultFields(channels)).map(([name, config], index) => {
    const channel = config.channel ?? index;
    if (channel >= channels) {
      throw new GatewayError('CONFIG_INVALID', `field ${name} of ${stream.id} wants channel ${channel}`, {
        received: channel,
        expected: `0 to ${channels - 1} (raw.channels is ${channels})`,
      });
    }
    return {
      channel,
      number: compileField(name, { ...config, type: 'number' }),
      array: compileField(name, { ...config, type: 'array' }),
      always: config.type === 'array',
    };
  });
  const names = Object.freeze(plan.map((field) => field.array.name));

  return (payload, context) => {
    if (payload.length === 0) throw new GatewayError('DECODE_EMPTY', 'the payload is empty');
    if (payload.length % frame !== 0) {
      throw new GatewayError('DECODE_SYNTAX', `${payload.length} bytes are no whole number of frames`, {
        received: payload.length,
        expected: `a multiple of ${frame} bytes: ${channels} channel(s) of ${type}`,
      });
    }
    const copy = new Uint8Array(payload.length);
    copy.set(payload);
    const samples: NumericArray = new Type(copy.buffer);
    const frames = samples.length / channels;
    const values = plan.map((field): FieldValue => {
      if (frames === 1 && !field.always) return field.number.convert(samples[field.channel]);
      return field.array.convert(channelOf(samples, field.channel, channels, frames));
    });
    return [stamp(context.device ?? context.fallbackDevice, undefined, { fields: names, values }, context)];
  };
}

function channelOf(samples: NumericArray, channel: number, channels: number, frames: number): NumericArray {
  if (channels === 1) return samples;
  const Type = samples.constructor as new (length: number) => NumericArray;
  const out = new Type(frames);
  for (let i = 0, at = channel; i < frames; i++, at += channels) {
    const value = samples[at]!;
    if (value - value !== 0) throw notFinite(`channel ${channel}`, value);
    out[i] = value;
  }
  return out;
}

function defaultFields(channels: number): [string, FieldConfig][] {
  const field = (channel: number): FieldConfig => ({ type: 'array', optional: false, channel });
  if (channels === 1) return [['value', field(0)]];
  return Array.from({ length: channels }, (_, channel) => [`ch${channel}`, field(channel)]);
}
