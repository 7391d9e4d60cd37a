/** Counts per bucket: `counts[i]` values were at most `bounds[i]`, the last one counts what is above all bounds. */
export interface HistogramView {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

/** What one version of a model did since the start. */
export interface ModelLoad {
  readonly name: string;
  readonly version: string;
  readonly runs: number;
  readonly items: number;
  readonly computeUs: number;
  /** By priority and code. */
  readonly failuresBy: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Rows. */
  readonly batchSize: HistogramView;
  /** Milliseconds. */
  readonly runMs: HistogramView;
  /** Milliseconds, by priority. */
  readonly waitMs: Readonly<Record<string, HistogramView>>;
}

/** Versions with series of their own: the busiest ones. The others are left out, so that the number of series stays bounded. */
const MAX_MODELS = 20;

/**
 * Prometheus text of what models do. Labels are models, priorities and the gateway's own codes, never clients.
 * Histograms are kept where the runs are; here they are only written.
 */
export function modelMetrics(loads: readonly ModelLoad[]): string {
  const shown = loads
    .filter(({ runs, failuresBy }) => runs > 0 || Object.values(failuresBy).some((codes) => size(codes) > 0))
    .toSorted((a, b) => b.items - a.items)
    .slice(0, MAX_MODELS);
  if (shown.length === 0) return '';
  const out: string[] = [];
  const family = (name: string, type: string, help: string, write: (load: ModelLoad, of: string) => void) => {
    out.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const load of shown) write(load, labels({ model: load.name, version: load.version }));
  };
  const counter = (name: string, help: string, read: (load: ModelLoad) => number): void =>
    family(name, 'counter', help, (load, of) => out.push(`${name}{${of}} ${read(load)}`));
  counter('aimx_model_rows_total', 'Rows computed', ({ items }) => items);
  counter('aimx_model_compute_seconds_total', 'Time of all runs', ({ computeUs }) => computeUs / 1e6);
  family('aimx_model_failed_total', 'counter', 'Windows and calls answered with a code', (load, of) => {
    for (const [priority, codes] of Object.entries(load.failuresBy)) {
      for (const [code, count] of Object.entries(codes))
        out.push(`aimx_model_failed_total{${of},${labels({ priority, code })}} ${count}`);
    }
  });
  family('aimx_model_batch_rows', 'histogram', 'Rows of one run', (load, of) =>
    histogram(out, 'aimx_model_batch_rows', of, load.batchSize, 1),
  );
  family('aimx_model_run_seconds', 'histogram', 'Duration of one run', (load, of) =>
    histogram(out, 'aimx_model_run_seconds', of, load.runMs, 1000),
  );
  family('aimx_model_wait_seconds', 'histogram', 'How long rows waited for their run', (load, of) => {
    for (const [priority, waits] of Object.entries(load.waitMs))
      histogram(out, 'aimx_model_wait_seconds', `${of},${labels({ priority })}`, waits, 1000);
  });
  return `${out.join('\n')}\n`;
}

function histogram(
  out: string[],
  name: string,
  of: string,
  { bounds, counts, sum }: HistogramView,
  scale: number,
): void {
  let total = 0;
  for (let i = 0; i < counts.length; i++) {
    total += counts[i]!;
    const le = i < bounds.length ? String(bounds[i]! / scale) : '+Inf';
    out.push(`${name}_bucket{${of},le="${le}"} ${total}`);
  }
  out.push(`${name}_sum{${of}} ${sum / scale}`, `${name}_count{${of}} ${total}`);
}

const size = (codes: Readonly<Record<string, number>>): number => Object.keys(codes).length;

/** Names, versions and codes hold nothing that needs escaping: their schemas say so. */
const labels = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}="${value}"`)
    .join(',');
