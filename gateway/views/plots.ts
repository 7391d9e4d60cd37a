import type { PlotView } from '../http/index.ts';
import { type FieldValue, isSamples, type ReadingValue } from '../ports/reading.ts';
import type { JournalRecord, JournalStream } from '../store/types.ts';
import type { ViewParts } from './parts.ts';

/** Newest records a plot looks at, and their bytes: drawing must cost nothing that the data path would feel. */
const RECORDS = 900;
const BYTES = 256 * 1024;
/** Fields, devices of one field, and points of one series: what an eye can tell apart. */
const FIELDS = 8;
const DEVICES = 8;
const POINTS = 150;
/** Several people who look at once are shown the same. */
const FRESH_MS = 1000;

type Series = PlotView['series'][number];
interface Sample {
  readonly time: number;
  readonly device: string;
  readonly fields: readonly string[];
  readonly values: readonly FieldValue[];
}

/** Newest values of streams and results as short series to draw. Works only when somebody looks. */
export class Plots {
  readonly #parts: ViewParts;
  /** By pipeline: JSON texts of results, oldest first. */
  readonly #results = new Map<string, string[]>();
  readonly #units = new Map<string, string>();
  #made: { readonly at: number; readonly plots: Promise<PlotView[]> } | undefined;

  constructor(parts: ViewParts) {
    this.#parts = parts;
    for (const { id } of parts.config.pipelines) this.#results.set(id, []);
    for (const { id, fields } of parts.config.streams) {
      for (const [name, field] of Object.entries(fields ?? {})) {
        if (field.unit !== undefined) this.#units.set(`${id}/${name}`, field.unit);
      }
    }
  }

  /** Takes note of a result; parsed only when somebody looks, because results come by the thousand. */
  put(pipeline: string, json: string): void {
    const list = this.#results.get(pipeline);
    if (list === undefined) return;
    list.push(json);
    if (list.length > 2 * RECORDS) list.splice(0, list.length - RECORDS);
  }

  read(): Promise<PlotView[]> {
    const at = this.#parts.clock.monotonic();
    if (this.#made === undefined || at - this.#made.at > FRESH_MS) this.#made = { at, plots: this.#make() };
    return this.#made.plots;
  }

  async #make(): Promise<PlotView[]> {
    const plots: PlotView[] = [];
    for (const [id, journal] of this.#parts.readingStreams) {
      const samples = (await newest(journal)).map(({ time, device, value }) => ({ time, device, ...value }));
      plots.push({
        kind: 'stream',
        id,
        series: seriesOf(samples, (name) => this.#units.get(`${id}/${name}`)),
      });
    }
    for (const [id, list] of this.#results) {
      plots.push({
        kind: 'pipeline',
        id,
        series: seriesOf(list.slice(-RECORDS).map(sampleOf), () => undefined),
      });
    }
    return plots;
  }
}

async function newest(journal: JournalStream<ReadingValue>): Promise<JournalRecord<ReadingValue>[]> {
  const { records, bytes, head } = journal.stats();
  const each = records === 0 ? 1 : Math.max(1, bytes / records);
  const count = Math.max(1, Math.min(RECORDS, Math.floor(BYTES / each)));
  return await journal.read(Math.max(0, head - count), count);
}

function sampleOf(json: string): Sample {
  const { time, device, outputs } = JSON.parse(json) as {
    time: number;
    device: string;
    outputs: Record<string, FieldValue>;
  };
  return { time, device, fields: Object.keys(outputs), values: Object.values(outputs) };
}

/** One series per device and field: numbers over time, or, of an array field, the newest array. */
function seriesOf(samples: readonly Sample[], unitOf: (name: string) => string | undefined): Series[] {
  const found = new Map<string, { device: string; name: string; times: number[]; values: number[] }>();
  for (const { time, device, fields, values } of samples) {
    fields.forEach((name, i) => {
      const value = values[i];
      const frame = isSamples(value);
      if (!frame && !(typeof value === 'number' && Number.isFinite(value))) return;
      const key = `${device}/${name}`;
      const series = found.get(key) ?? { device, name, times: [], values: [] };
      if (frame) {
        series.times = [];
        series.values = Array.from(value as ArrayLike<number>);
      } else {
        series.times.push(time);
        series.values.push(value as number);
      }
      found.delete(key); // the newest last, so that a crowd of devices shows those that are alive
      found.set(key, series);
    });
  }
  const fields = Map.groupBy(found.values(), ({ name }) => name);
  return [...fields]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, FIELDS)
    .flatMap(([, series]) => series.slice(-DEVICES).sort((a, b) => (a.device < b.device ? -1 : 1)))
    .map(({ device, name, times, values }) => ({
      device,
      name,
      unit: unitOf(name) ?? null,
      times: thinned(times),
      values: thinned(values),
    }));
}

/** At most {@link POINTS} of them, evenly, with the newest. */
function thinned(values: readonly number[]): number[] {
  if (values.length <= POINTS) return [...values];
  const step = values.length / POINTS;
  return Array.from({ length: POINTS }, (_, i) => values[Math.floor((i + 1) * step) - 1]!);
}
