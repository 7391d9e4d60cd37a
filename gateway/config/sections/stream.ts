import { z } from 'zod';
import { DATATYPES } from '../../ports/tensor.ts';
import { bytes, duration } from '../units.ts';
import { identifier } from './identifier.ts';

const fieldType = z
  .enum(['number', 'string', 'boolean', 'array', 'bytes', 'tensor'])
  .describe('bytes: an opaque value (base64 in JSON); tensor: exact values of `datatype` for a model');

export const fieldSection = z.strictObject({
  path: z
    .string()
    .optional()
    .describe(
      'JSONPath ($.a.b[0]) in json and cbor; column name in csv; record name in SenML; default: the name of the field',
    ),
  unit: z
    .string()
    .optional()
    .describe(
      'SenML unit symbol (Cel, %RH, m/s2); readings of another convertible unit are converted, of another kind rejected',
    ),
  min: z.number().optional(),
  max: z.number().optional(),
  type: fieldType.default('number'),
  datatype: z
    .enum(DATATYPES)
    .optional()
    .describe('tensor: its Open Inference Protocol datatype; lists may be nested'),
  optional: z.boolean().default(false).describe('Whether a reading without this field is accepted'),
  scale: z.number().optional().describe('value = raw × scale + offset'),
  offset: z.number().optional(),
  channel: z.number().int().min(0).optional().describe('raw: which interleaved channel'),
});

export const streamSection = z.strictObject({
  id: identifier,
  from: z
    .strictObject({
      mqtt: z
        .union([z.string(), z.array(z.string())])
        .optional()
        .describe('Topic with {device} and other captures; + and trailing # allowed'),
      coap: z
        .union([z.string(), z.array(z.string())])
        .optional()
        .describe('Path with captures'),
    })
    .optional()
    .describe('Besides the default doors aimx/s/<stream>/<device> and /s/<stream>/<device>'),
  decode: z
    .enum(['json', 'text', 'csv', 'cbor', 'senml+json', 'senml+cbor', 'raw', 'bytes'])
    .default('json')
    .describe('bytes: the payload as it is, in one field, such as a picture'),
  raw: z
    .strictObject({
      type: z
        .enum(['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'float32', 'float64'])
        .default('float32'),
      channels: z.number().int().min(1).max(64).default(1).describe('Interleaved channels'),
    })
    .optional(),
  csv: z
    .strictObject({
      delimiter: z.string().length(1).default(','),
      columns: z
        .array(z.string())
        .optional()
        .describe('Column names; default: the first line of each payload'),
    })
    .optional(),
  fields: z
    .record(z.string(), fieldSection)
    .optional()
    .describe('Default: every scalar of the payload; a bare value is named "value"'),
  time: z
    .strictObject({
      path: z.string(),
      format: z.enum(['epoch-ms', 'epoch-s', 'iso8601']).default('epoch-ms'),
      zone: z.enum(['utc']).default('utc'),
    })
    .optional()
    .describe('Event time; default: the time of arrival'),
  journal: z
    .strictObject({
      maxBytes: bytes.prefault('256MiB'),
      maxAge: duration.prefault('30d'),
      whenFull: z.enum(['drop-oldest', 'reject-new']).default('drop-oldest'),
    })
    .prefault({}),
});
