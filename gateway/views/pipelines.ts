import { GatewayError } from '../errors.ts';
import type { PipelineDetail, PipelineView, ResultPage, ResultsQuery, ResultView } from '../http/index.ts';
import type { ResultDocument } from '../ports/results.ts';
import { openResults } from '../system/document-streams.ts';
import { notableOf } from './notable.ts';
import type { ViewParts } from './parts.ts';
import type { Sampler } from './sampler.ts';

const NONE = { bounds: [], counts: [] };

export function pipelineDetails(
  { config, pipelines }: ViewParts,
  views: readonly PipelineView[],
  sampler: Sampler,
): PipelineDetail[] {
  const stats = new Map(pipelines.stats().map((one) => [one.id, one]));
  return views.map((view) => {
    const one = stats.get(view.id);
    const { publish, queue } = config.pipelines.find(({ id }) => id === view.id)!;
    const { bounds, counts } = one?.latency.buckets ?? NONE;
    return {
      ...view,
      perSecond: sampler.perSecond('p', view.id),
      windows: one?.windows ?? 0,
      queued: one?.queued ?? 0,
      queueMax: queue.max,
      late: one?.late ?? 0,
      keys: one?.keys ?? 0,
      stateBytes: one?.stateBytes ?? 0,
      latency: {
        unit: 'ms',
        bounds: [...bounds],
        counts: [...counts],
        count: one?.latency.count ?? 0,
        sum: one?.latency.sum ?? 0,
      },
      publish: {
        topic: publish.topic ?? `aimx/result/${view.id}/{device}`,
        qos: publish.qos,
        when: publish.when ?? null,
      },
      published: one?.publish?.published ?? 0,
      filtered: one?.publish?.filtered ?? 0,
    };
  });
}

/** Records read at once, and looked at for one page: with a filter most of them may not be wanted. */
const CHUNK = 500;
const MAX_LOOKED_AT = 10_000;

/** Results of a pipeline as the journal has them, newest first. @throws GatewayError NOT_FOUND */
export async function resultsOf(
  { config, store }: ViewParts,
  id: string,
  { device, limit, before, notable: only }: ResultsQuery,
): Promise<ResultPage> {
  const pipeline = config.pipelines.find((one) => one.id === id);
  if (!pipeline) {
    throw new GatewayError('NOT_FOUND', `there is no pipeline ${id}`, {
      received: id,
      expected: config.pipelines.map((one) => one.id).join(', '),
    });
  }
  const journal = openResults(store, config, pipeline);
  const notable = notableOf(pipeline);
  const results: ResultPage['results'] = [];
  let end = Math.min(journal.head, (before ?? Number.MAX_SAFE_INTEGER) - 1);
  let left = MAX_LOOKED_AT;
  const first = Math.max(0, journal.tail - 1);
  while (end > first && left > 0) {
    const size = Math.min(device === undefined && !only ? limit : CHUNK, end - first, left);
    const records = await readTo(journal, end - size, end);
    for (const record of records.toReversed()) {
      if (device !== undefined && record.device !== device) continue;
      const document = JSON.parse(record.value) as ResultDocument;
      const worth = notable(document);
      if (only && !worth) continue;
      results.push({ ...(document as unknown as ResultView), seq: record.seq, notable: worth });
      if (results.length === limit) return { results, before: record.seq - 1 > first ? record.seq : null };
    }
    end -= size;
    left -= size;
  }
  return { results, before: end > first ? end + 1 : null };
}

type Journal = ReturnType<typeof openResults>;

async function readTo(journal: Journal, after: number, until: number) {
  const found = [];
  for (let at = after; at < until; ) {
    const records = (await journal.read(at, until - at)).filter(({ seq }) => seq <= until);
    if (records.length === 0) break;
    found.push(...records);
    at = records.at(-1)!.seq;
  }
  return found;
}
