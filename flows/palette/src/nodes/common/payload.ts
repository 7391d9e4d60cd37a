/** Payloads of MQTT messages to and from values of messages in a flow, pure. */

/** What a device is sent: buffers and typed arrays as their bytes, texts as they are, everything else as JSON. */
export function toPayload(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (typeof value === 'string') return Buffer.from(value);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError(`${value} is no reading`);
  const text = value === undefined ? undefined : JSON.stringify(value);
  if (text === undefined) throw new RangeError(`a ${typeof value} is no reading`);
  return Buffer.from(text);
}

export type Format = 'auto' | 'text' | 'buffer';

/** `auto`: JSON where it is JSON, text where it is text, the bytes otherwise. */
export function fromPayload(payload: Buffer, format: Format = 'auto'): unknown {
  if (format === 'buffer') return payload;
  const text = payload.toString('utf8');
  if (format === 'text') return text;
  if (text.includes('\uFFFD')) return payload;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Most formats are no JSON.
    return text;
  }
}

/** The newest `size` keys that were seen. */
export class Seen {
  readonly #keys = new Set<string>();
  readonly #size: number;

  constructor(size = 1000) {
    this.#size = size;
  }

  /** Whether the key was there already. */
  has(key: string): boolean {
    if (this.#keys.has(key)) return true;
    this.#keys.add(key);
    if (this.#keys.size > this.#size) this.#keys.delete(this.#keys.values().next().value!);
    return false;
  }
}
