import type { FieldConfig, StreamConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import type { FieldValue } from '../../ports/reading.ts';
import { compileField, notFinite, wellFormed } from '../fields/field.ts';
import { DECIMAL } from '../fields/time.ts';
import { type Decoder, stamp } from './decoder.ts';
import { textOf } from './text-of.ts';

/** Longest text kept as a value; more is not a reading. */
const MAX_TEXT = 4096;
const NOT_A_NUMBER = /^[+-]?(?:nan|inf|infinity)$/i;

/** Plain text: one value, surrounding white space ignored. The first configured field takes it, else `value`. */
export function textDecoder(stream: StreamConfig): Decoder {
  const [entry] = Object.entries(stream.fields ?? {});
  const field = entry && compileField(entry[0], entry[1]);
  const names = Object.freeze([field?.name ?? 'value']);
  return (payload, context) => {
    const text = textOf(payload).trim();
    if (text === '') throw new GatewayError('DECODE_EMPTY', 'the payload is blank');
    const value = field ? field.convert(scalar(text, field.config.type)) : plainText('value', text);
    const device = context.device ?? context.fallbackDevice;
    return [stamp(device, undefined, { fields: names, values: [value] }, context)];
  };
}

/** A text as the type its field declares; left a text when it is not, so that the field names what it got. */
export function scalar(text: string, type: FieldConfig['type']): unknown {
  if (type === 'number' && DECIMAL.test(text)) return Number(text);
  if (type === 'number' && NOT_A_NUMBER.test(text)) return Number.NaN;
  if (type === 'boolean') {
    const lower = text.toLowerCase();
    if (lower === 'true' || lower === 'on' || lower === '1') return true;
    if (lower === 'false' || lower === 'off' || lower === '0') return false;
  }
  return text;
}

/** A text no field configures: a number, true or false where it is one, else the text itself. */
export function plainText(name: string, text: string): FieldValue {
  if (DECIMAL.test(text)) {
    const value = Number(text);
    if (!Number.isFinite(value)) throw notFinite(name, value);
    return value;
  }
  if (NOT_A_NUMBER.test(text)) throw notFinite(name, Number.NaN);
  if (text === 'true' || text === 'false') return text === 'true';
  if (text.length > MAX_TEXT) {
    throw new GatewayError('DECODE_LIMIT', `${name} is a text of ${text.length} characters`, {
      received: text.length,
      expected: `at most ${MAX_TEXT}`,
    });
  }
  return wellFormed(name, text);
}
