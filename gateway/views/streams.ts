import type { StreamConfig } from '../config/schema.ts';
import type { StreamDetail, StreamView } from '../http/index.ts';
import type { ReadingValue } from '../ports/reading.ts';
import type { JournalStream } from '../store/types.ts';
import type { ViewParts } from './parts.ts';
import type { Sampler } from './sampler.ts';
import { kindOf } from './values.ts';

/** Fields shown of a stream that names none. */
const MAX_FIELDS = 50;

/** Streams with what a person wants to know of each. */
export function streamDetails(
  { config, readingStreams }: ViewParts,
  streams: readonly StreamView[],
  sampler: Sampler,
): Promise<StreamDetail[]> {
  return Promise.all(
    streams.map(async (view) => {
      const stream = config.streams.find(({ id }) => id === view.id)!;
      return {
        ...view,
        perSecond: sampler.perSecond('s', view.id),
        decode: stream.decode,
        fields: await fieldsOf(stream, readingStreams.get(view.id)!),
        doors: doorsOf(stream),
        pipelines: config.pipelines.filter(({ from }) => [from].flat().includes(view.id)).map(({ id }) => id),
      };
    }),
  );
}

async function fieldsOf(
  { fields }: StreamConfig,
  journal: JournalStream<ReadingValue>,
): Promise<StreamDetail['fields']> {
  if (fields)
    return Object.entries(fields).map(([name, { unit, type }]) => ({ name, unit: unit ?? null, type }));
  const [newest] = journal.head === 0 ? [] : await journal.read(journal.head - 1, 1);
  if (newest === undefined) return [];
  const { fields: names, values } = newest.value;
  return names.slice(0, MAX_FIELDS).map((name, i) => ({ name, unit: null, type: kindOf(values[i]) }));
}

function doorsOf({ id, from }: StreamConfig): string[] {
  const list = (value: string | readonly string[] | undefined): readonly string[] =>
    value === undefined ? [] : [value].flat();
  return [
    ...list(from?.mqtt).map((topic) => `mqtt ${topic}`),
    `mqtt aimx/s/${id}/{device}`,
    ...list(from?.coap).map((path) => `coap ${path}`),
    `coap /s/${id}/{device}`,
    `http /s/${id}/{device}`,
  ];
}
