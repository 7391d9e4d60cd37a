import type { StreamConfig } from '../../gateway/config/schema.ts';
import { Format } from './protocol.ts';

/** Content-Formats that readings may come in. Each message says its own; without one the stream's decoder reads it. */
export const READING_FORMATS: ReadonlySet<number> = new Set([
  Format.TEXT,
  Format.OCTETS,
  Format.JSON,
  Format.CBOR,
  Format.SENML_JSON,
  Format.SENML_CBOR,
]);

/** The format a stream's own decoder reads, as discovery tells it; CSV travels as text. */
export const STREAM_FORMAT: Readonly<Record<StreamConfig['decode'], number>> = {
  json: Format.JSON,
  text: Format.TEXT,
  csv: Format.TEXT,
  cbor: Format.CBOR,
  'senml+json': Format.SENML_JSON,
  'senml+cbor': Format.SENML_CBOR,
  raw: Format.OCTETS,
  bytes: Format.OCTETS,
};
