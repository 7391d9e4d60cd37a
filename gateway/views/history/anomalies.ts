import type { PipelineConfig } from '../../config/schema.ts';
import type { AnomalyView } from '../../http/index.ts';
import type { ResultDocument } from '../../ports/results.ts';
import type { JournalStream } from '../../store/types.ts';
import { anomalyOf, notableOf } from '../notable.ts';
import { type Budget, planReads, readPages } from './pages.ts';
import { spanOf } from './period.ts';

/** Results are JSON texts: reading one costs more than a reading does. */
const BUDGET: Budget = { records: 20_000, bytes: 8 * 1024 * 1024 };
/** Marks that a plot can show. */
const MOST = 1000;

export interface AnomalyQuery {
  readonly from: number;
  readonly to: number;
  readonly devices: ReadonlySet<string>;
}

/** What a pipeline found worth telling in a period, the newest {@link MOST}; complete or not. */
export async function anomaliesOf(
  pipeline: PipelineConfig,
  results: JournalStream<string>,
  { from, to, devices }: AnomalyQuery,
  signal: AbortSignal,
): Promise<{ anomalies: AnomalyView[]; complete: boolean }> {
  const notable = notableOf(pipeline);
  const plan = planReads(results, await spanOf(results, from, to), BUDGET, 'newest');
  const anomalies: AnomalyView[] = [];
  let { complete } = plan;
  for await (const records of readPages(results, plan, signal)) {
    for (const { device, time, value } of records) {
      if (time < from || time > to) continue;
      // With `key: none` results belong to no device of the stream.
      if (pipeline.key === 'device' && !devices.has(device)) continue;
      const document = JSON.parse(value) as ResultDocument;
      if (!notable(document)) continue;
      anomalies.push(anomalyOf(document));
      if (anomalies.length > 2 * MOST) {
        anomalies.splice(0, anomalies.length - MOST);
        complete = false;
      }
    }
  }
  if (anomalies.length > MOST) complete = false;
  return { anomalies: anomalies.slice(-MOST), complete };
}
