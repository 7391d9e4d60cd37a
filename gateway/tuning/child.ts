/**
 * The process that tunes: reads the journal, trains, writes the candidate. At the lowest priority, and the first that
 * the kernel ends when memory runs out. Never loaded by the gateway itself: TensorFlow.js lives here only.
 */
import { readFileSync, writeSync } from 'node:fs';
import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type { Tuning } from '../../models/training/tuning.ts';
import { asGatewayError } from '../errors.ts';
import { readBundle } from '../inference/bundle.ts';
import { readLayers, writeCandidate } from './candidate.ts';
import type { TuneJob, TuneMessage, TuneReport } from './job.ts';
import { labelOf, readLabels } from './labels.ts';
import { learn } from './learn.ts';
import { checkWindows, readWindows } from './windows.ts';

/** File descriptor of the pipe to the parent. */
const OUT = 3;

const say = (message: TuneMessage): void => void writeSync(OUT, `${JSON.stringify(message)}\n`);
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function tune(job: TuneJob): Promise<TuneReport> {
  const { tuning } = (await import(pathToFileURL(job.recipe).href)) as { tuning: Tuning };
  const bundle = readBundle(job.bundle);
  const layers = readLayers(new Uint8Array(readFileSync(bundle.modelFile)), tuning);
  const labels = job.labels === undefined ? [] : readLabels(job.labels, tuning.labels ?? []);
  const columns = job.fields ?? tuning.columns;
  const found = await readWindows({ ...job, columns, rows: tuning.rows, hop: tuning.hop });
  checkWindows(found, job.stream, tuning.leastWindows, tuning.rows);
  const windows = found.windows.map((window) => {
    const label = labelOf(labels, window.device, window.time);
    return label === undefined ? window : { ...window, label };
  });
  const learned = await learn(tuning, layers, windows, {
    epochs: job.epochs,
    seed: job.seed,
    onProgress: async (share, note) => {
      say({ kind: 'progress', share, note });
      // Lets the end of the parent be noticed.
      await turn();
    },
  });
  const { layers: tuned, ...figures } = learned;
  const { name, version, sha256 } = bundle.manifest;
  const report: TuneReport = {
    stream: job.stream,
    devices: new Set(windows.map(({ device }) => device)).size,
    rows: found.rows,
    windows: windows.length,
    labelled: windows.filter((window) => 'label' in window).length,
    from: found.from,
    to: found.to,
    ...figures,
    base: { model: `${name}@${version}`, sha256 },
  };
  writeCandidate(job, tuning, tuned, report);
  return report;
}

const input = createInterface({ input: process.stdin });
// The parent holds the other end open as long as it lives.
input.once('close', () => process.exit(1));
input.once('line', (line) => {
  const job = JSON.parse(line) as TuneJob;
  setPriority(job.priority);
  tune(job)
    .then((report) => say({ kind: 'done', report }))
    .catch((error: unknown) => {
      const { code, message, received, expected, fix } = asGatewayError(error);
      const more = { ...(received === undefined ? {} : { received }), ...(expected ? { expected } : {}) };
      say({ kind: 'failed', error: { code, message, fix, ...more } });
    })
    .finally(() => process.exit(0));
});
