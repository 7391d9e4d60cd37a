import { streamSection } from '../../gateway/config/schema.ts';
import type { DecodeContext } from '../../gateway/ingest/decode/decoder.ts';
import { StreamDecoders } from '../../gateway/ingest/decode/formats.ts';
import type { FieldValue, NewReading } from '../../gateway/ports/reading.ts';

export const ARRIVAL = Date.UTC(2026, 5, 1, 12);

export const context = (over: Partial<DecodeContext> = {}): DecodeContext => ({
  device: 'd1',
  fallbackDevice: 's',
  arrival: ARRIVAL,
  synced: true,
  ...over,
});

/** Decodes one payload as the stream described by `settings` would. */
export function decode(
  settings: Record<string, unknown>,
  payload: string | Uint8Array,
  over: Partial<DecodeContext> = {},
): NewReading[] {
  const decoders = new StreamDecoders(streamSection.parse({ id: 's', ...settings }));
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  return decoders.configured(bytes, context(over));
}

/** Fields of a reading by name. */
export const fieldsOf = (reading: NewReading | undefined): Record<string, FieldValue> =>
  Object.fromEntries(reading!.value.fields.map((name, i) => [name, reading!.value.values[i]!]));

/** The code of what `action` throws; undefined when it throws nothing. */
export function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? `uncoded: ${String(error)}`;
  }
}
