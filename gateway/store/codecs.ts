import { ByteReader } from './bytes.ts';
import type { RecordCodec } from './types.ts';

/** Text as it is: the JSON documents of the gateway's own streams. */
export const textCodec: RecordCodec<string> = {
  encode: (value, out) => out.string(value),
  decode: (bytes) => new ByteReader(bytes).string(),
};
