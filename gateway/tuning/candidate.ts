import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { seededRandom } from '../../models/training/random.ts';
import type { Tuning } from '../../models/training/tuning.ts';
import { GatewayError } from '../errors.ts';
import type { TuneJob, TuneReport } from './job.ts';
import { featuresOf } from './learn.ts';
import { answerOf, type Layer } from './network.ts';
import { denseLayers, readWeights, writeWeights } from './onnx-weights.ts';

const GOLDEN_SAMPLES = 6;
/** Single precision in the graph against double precision here. */
const TOLERANCE = 5e-3;

/** Layers of a bundle's model file; throws TUNE_MODEL unless they are what the recipe says. */
export function readLayers(file: Uint8Array, { layers }: Tuning): Layer[] {
  const places = denseLayers(file);
  const fits =
    places.length === layers.length &&
    places.every(({ kernel, bias }, i) => {
      const { rows, columns } = layers[i]!;
      return kernel.dims[0] === rows && kernel.dims[1] === columns && bias.count === columns;
    });
  if (!fits)
    throw new GatewayError(
      'TUNE_MODEL',
      'the layers of the model file are not those of its recipe for tuning',
      {
        received: places.map(({ kernel }) => kernel.dims.join(' × ')).join(', '),
        expected: layers.map(({ rows, columns }) => `${rows} × ${columns}`).join(', '),
      },
    );
  return places.map(({ kernel, bias }, i) => ({
    ...layers[i]!,
    kernel: readWeights(file, kernel),
    bias: readWeights(file, bias),
  }));
}

/**
 * Writes the new bundle: the base model's file with other weights, its manifest with the card filled in, and golden
 * samples from generated windows, so that no reading of a device is in it.
 */
export function writeCandidate(
  job: TuneJob,
  tuning: Tuning,
  layers: readonly Layer[],
  report: TuneReport,
): void {
  const document = parseDocument(readFileSync(join(job.bundle, 'model.yaml'), 'utf8'));
  const name = String(document.get('file'));
  const file = new Uint8Array(readFileSync(join(job.bundle, name)));
  for (const [i, { kernel, bias }] of denseLayers(file).entries()) {
    writeWeights(file, kernel, layers[i]!.kernel);
    writeWeights(file, bias, layers[i]!.bias);
  }
  document.set('version', job.version);
  document.set('sha256', createHash('sha256').update(file).digest('hex'));
  const card = document.get('card') as { get(key: string): unknown; set(key: string, value: unknown): void };
  card.set('trainingData', dataText(job, tuning, String(card.get('trainingData')), report));
  card.set('limits', `${String(card.get('limits'))} ${tuning.limits} Made for the devices it was tuned on.`);
  card.set('source', `aimx-gateway models tune, from ${report.base.model} (sha256 ${report.base.sha256})`);
  card.set('metrics', document.createNode(metricsOf(report)));
  mkdirSync(join(job.candidate, 'golden'), { recursive: true });
  writeFileSync(join(job.candidate, name), file);
  writeFileSync(join(job.candidate, 'model.yaml'), document.toString({ lineWidth: 0 }));
  const random = seededRandom(job.seed + 1);
  const output = outputName(document.toJS());
  for (const [i, { values }] of tuning.rehearsal(random, GOLDEN_SAMPLES).entries()) {
    const answer = [...answerOf(layers, featuresOf(tuning, values))].map((x) => Number(x.toPrecision(9)));
    const columns = Math.max(1, tuning.columns.length);
    const window = Array.from({ length: tuning.rows }, (_, row) =>
      [...values.subarray(row * columns, (row + 1) * columns)].map((x) => Number(x.toPrecision(9))),
    );
    const sample = {
      inputs: { window },
      outputs: { [output]: answer.length === 1 ? answer[0] : answer },
      tolerance: TOLERANCE,
    };
    writeFileSync(join(job.candidate, 'golden', `sample-${i + 1}.json`), `${JSON.stringify(sample)}\n`);
  }
}

/** What the network's own output is called in results. */
function outputName(manifest: { outputs: readonly { as?: string }[] }): string {
  return manifest.outputs.find(({ as }) => as !== undefined)!.as!;
}

function dataText(job: TuneJob, { method }: Tuning, before: string, report: TuneReport): string {
  const day = (ms: number): string => new Date(ms).toISOString();
  const who = job.device === undefined ? `${report.devices} devices` : `device ${job.device}`;
  const labelled = report.labelled > 0 ? `, ${report.labelled} of them labelled` : '';
  return `${before}. Tuned on ${report.windows} windows (${report.rows} readings${labelled}) of stream ${job.stream}, ${who}, ${day(report.from)} to ${day(report.to)}: ${method}. The later fifth was held out for validation`;
}

function metricsOf(report: TuneReport): Record<string, number | string> {
  const named = (prefix: string, figures: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${prefix}_${name}`, value]));
  return {
    base: report.base.model,
    base_sha256: report.base.sha256,
    stream_readings: report.rows,
    stream_windows: report.windows,
    trained_examples: report.trained,
    validation_examples: report.validated,
    epochs: report.epochs,
    validation_loss_before: report.loss.before,
    validation_loss_after: report.loss.after,
    ...named('validation_before', report.before),
    ...named('validation_after', report.after),
    ...named('generated_before', report.generatedBefore),
    ...named('generated_after', report.generatedAfter),
  };
}
