import type { StreamConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import { bytesDecoder } from './bytes.ts';
import { cborDecoder } from './cbor.ts';
import { csvDecoder } from './csv.ts';
import type { Decoder } from './decoder.ts';
import { jsonDecoder } from './json.ts';
import { rawDecoder } from './raw.ts';
import { senmlCborDecoder, senmlJsonDecoder } from './senml.ts';
import { textDecoder } from './text.ts';

type Format = StreamConfig['decode'];

const DECODERS: Readonly<Record<Format, (stream: StreamConfig) => Decoder>> = {
  json: jsonDecoder,
  text: textDecoder,
  csv: csvDecoder,
  cbor: cborDecoder,
  'senml+json': senmlJsonDecoder,
  'senml+cbor': senmlCborDecoder,
  raw: rawDecoder,
  bytes: bytesDecoder,
};

/** CoAP Content-Formats (RFC 7252 §12.3, RFC 7049, RFC 8428 §12.3). */
const CONTENT_FORMATS: ReadonlyMap<number, Format> = new Map([
  [0, 'text'],
  [42, 'raw'],
  [50, 'json'],
  [60, 'cbor'],
  [110, 'senml+json'],
  [112, 'senml+cbor'],
]);

/** Formats that travel as text/plain too. */
const TEXTUAL: ReadonlySet<Format> = new Set(['text', 'csv', 'json']);

/** The decoders of one stream: the configured one, and those that a message may ask for by its Content-Format. */
export class StreamDecoders {
  readonly #stream: StreamConfig;
  readonly #compiled = new Map<Format, Decoder>();
  /** Decoder of messages that name no format. */
  readonly configured: Decoder;

  /** @throws GatewayError CONFIG_INVALID when a path of the stream is malformed */
  constructor(stream: StreamConfig) {
    this.#stream = stream;
    this.configured = this.#of(stream.decode);
  }

  /** @throws GatewayError DECODE_FORMAT for a Content-Format that is not known */
  for(contentFormat: number): Decoder {
    // Whatever the payload is called, it is kept as it is.
    if (this.#stream.decode === 'bytes') return this.configured;
    const named = CONTENT_FORMATS.get(contentFormat);
    if (named === undefined) {
      throw new GatewayError('DECODE_FORMAT', `Content-Format ${contentFormat} is not known`, {
        received: contentFormat,
        expected: [...CONTENT_FORMATS].map(([code, format]) => `${code} (${format})`).join(', '),
      });
    }
    const { decode } = this.#stream;
    const format = named === 'text' && TEXTUAL.has(decode) ? decode : named;
    // Samples mean nothing without their type and channels.
    if (format === 'raw' && decode !== 'raw') {
      throw new GatewayError('DECODE_FORMAT', `stream ${this.#stream.id} takes no raw samples`, {
        received: contentFormat,
        expected: decode,
        fix: 'Set `decode: raw` of the stream, or send another Content-Format.',
      });
    }
    return this.#of(format);
  }

  #of(format: Format): Decoder {
    let decoder = this.#compiled.get(format);
    if (!decoder) {
      decoder = DECODERS[format](this.#stream);
      this.#compiled.set(format, decoder);
    }
    return decoder;
  }
}
