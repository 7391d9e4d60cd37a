import type { PipelineConfig } from '../../config/schema.ts';
import type { AnomalyView, LiveChannel } from '../../http/index.ts';
import type { ResultDocument, ResultFeed } from '../../ports/results.ts';
import { anomalyOf, notableOf } from '../notable.ts';

/** Results kept between two looks, and told at once; the newest. */
const MAX_KEPT = 200;
const MAX_TOLD = 50;

/** New results of a pipeline. JSON texts are kept and parsed only when they are told. */
export function resultsChannel(
  pipeline: PipelineConfig,
  feed: ResultFeed,
  device: string | undefined,
): LiveChannel {
  const notable = notableOf(pipeline);
  let texts: string[] = [];
  let count = 0;
  const close = feed.subscribe((id, from, json) => {
    if (id !== pipeline.id || (device !== undefined && from !== device)) return;
    count++;
    texts.push(json);
    if (texts.length > 2 * MAX_KEPT) texts = texts.slice(-MAX_KEPT);
  });
  return {
    collect() {
      if (count === 0) return [];
      const documents = texts.slice(-MAX_KEPT).map((json) => JSON.parse(json) as ResultDocument);
      const anomalies: AnomalyView[] = documents.filter(notable).map(anomalyOf);
      const results = documents.slice(-MAX_TOLD);
      const data = { pipeline: pipeline.id, results, anomalies, count, dropped: count - results.length };
      texts = [];
      count = 0;
      return [{ name: 'results', data }];
    },
    close,
  };
}
