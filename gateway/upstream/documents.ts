import type { FieldValue, ReadingValue } from '../ports/reading.ts';
import { FLAG_TIME_REPLACED, FLAG_TIME_UNSYNCED } from '../ports/reading.ts';
import type { UpstreamRecord } from '../ports/sink.ts';
import type { JournalRecord } from '../store/types.ts';

/** Turns journal records of one stream into what goes upstream. Pure. */
export type Documenter<T> = (record: JournalRecord<T>) => UpstreamRecord;

/**
 * Readings as `{id, stream, device, time, values: {…}}`, with `time_unsynced` or `time_replaced` where the journal
 * says so. Values keep their bits: -0 stays -0, arrays stay arrays; what JSON cannot hold becomes null. Opaque values
 * go as base64.
 */
export function readingDocuments(gateway: string, stream: string): Documenter<ReadingValue> {
  const scope = JSON.stringify(stream);
  return ({ device, deviceSeq, time, flags, value }) => {
    const id = `${gateway}/${stream}/${device}/${time}-${deviceSeq}`;
    let body = `{"id":${JSON.stringify(id)},"stream":${scope},"device":${JSON.stringify(device)},"time":${time}`;
    if (flags & FLAG_TIME_UNSYNCED) body += ',"time_unsynced":true';
    if (flags & FLAG_TIME_REPLACED) body += ',"time_replaced":true';
    return {
      id,
      kind: 'reading',
      source: stream,
      device,
      time,
      body: `${body},"values":${valuesText(value)}}`,
    };
  };
}

function valuesText({ fields, values }: ReadingValue): string {
  let text = '{';
  for (let i = 0; i < fields.length; i++) {
    text += `${i === 0 ? '' : ','}${JSON.stringify(fields[i])}:${valueText(values[i]!)}`;
  }
  return `${text}}`;
}

function valueText(value: FieldValue): string {
  if (typeof value === 'number') return numberText(value);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (!ArrayBuffer.isView(value)) {
    const texts = value.map((bytes) => `"${Buffer.from(bytes).toString('base64')}"`);
    return texts.length === 1 ? texts[0]! : `[${texts.join(',')}]`;
  }
  let text = '[';
  for (let i = 0; i < value.length; i++) {
    const element = value[i]!;
    text += (i === 0 ? '' : ',') + (typeof element === 'bigint' ? String(element) : numberText(element));
  }
  return `${text}]`;
}

/** RFC 8259 §6 has -0, which JSON.stringify drops, and neither NaN nor Infinity. */
function numberText(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  return Number.isFinite(value) ? String(value) : 'null';
}

/** The gateway's own documents begin with their id, so it is found without parsing them. */
const LEADING_ID = /^\{"id":"([^"\\]{1,1024})"/;

/** Documents of the gateway's own streams, sent as they are. */
export function textDocuments(
  gateway: string,
  kind: UpstreamRecord['kind'],
  source: string,
): Documenter<string> {
  return ({ device, deviceSeq, time, value }) => {
    const id = LEADING_ID.exec(value)?.[1] ?? idOf(value);
    return {
      id: id ?? `${gateway}/${source}/${device}/${time}-${deviceSeq}`,
      kind,
      source,
      device,
      time,
      body: value,
    };
  };
}

/** The id of a document that does not begin with it; undefined when it has none. */
function idOf(text: string): string | undefined {
  try {
    const id = (JSON.parse(text) as { id?: unknown } | null)?.id;
    return typeof id === 'string' ? id : undefined;
  } catch {
    // Whatever it is, it was journalled as a document of this stream: the place in the stream identifies it.
    return undefined;
  }
}
