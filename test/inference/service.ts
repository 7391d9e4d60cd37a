import { onTestFinished } from 'vitest';
import { outputsOf } from '../../gateway/inference/columns.ts';
import {
  createInference,
  type InferenceOptions,
  type InferenceService,
} from '../../gateway/inference/index.ts';
import type { Inference, ModelState, OutputValue } from '../../gateway/ports/inference.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';

/** An inference part on a real host, stopped when the test has finished. */
export async function startInference(modelDir: string, options: Partial<InferenceOptions> = {}) {
  const alarms = recordingAlarms();
  const log = recordingLog();
  const inference: InferenceService = createInference({
    modelDirs: [modelDir],
    clock: systemClock(),
    log,
    alarms,
    ...options,
  });
  onTestFinished(() => inference.stop());
  await inference.start(new AbortController().signal);
  return { inference, alarms, log };
}

/** One window. */
export interface Item {
  readonly window: Float64Array | Float32Array;
  readonly rows: number;
  readonly columns: number;
  readonly state?: ModelState | undefined;
}

/** What became of a window. */
export type Answer =
  | {
      readonly ok: true;
      readonly outputs: Readonly<Record<string, OutputValue>>;
      readonly state: ModelState | undefined;
      readonly computeUs: number;
    }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** Windows of one row. */
export const rowItems = (rows: readonly (readonly number[])[]): Item[] =>
  rows.map((row) => ({ window: Float64Array.from(row), rows: 1, columns: row.length }));

/** Runs windows of one size and answers each, in order. */
export async function runItems(
  inference: Inference,
  reference: string,
  items: readonly Item[],
  options: { readonly deadline?: number; readonly account?: string } = {},
): Promise<Answer[]> {
  const { rows, columns } = items[0]!;
  const batch = {
    rows,
    columns,
    windows: items.map(({ window }) => window),
    states: items.map(({ state }) => state),
  };
  const { parts, failures } = await inference.run(reference, batch, { account: 'pipeline/test', ...options });
  const answers: Answer[] = [];
  for (const part of parts) {
    for (let i = part.from; i < part.to; i++)
      answers[i] = {
        ok: true,
        outputs: outputsOf(part, i - part.from),
        state: part.states?.(i - part.from),
        computeUs: part.computeUs,
      };
  }
  for (const { index, code, message } of failures) answers[index] = { ok: false, code, message };
  return answers;
}

/** What became of each window: the value of an output, or the code. */
export const summary = (answers: readonly Answer[], output: string): unknown[] =>
  answers.map((answer) => (answer.ok ? answer.outputs[output] : answer.code));

/** Manifest of `mlpModel([columns, …, outputs])`. */
export const mlpManifest = (columns: number, outputs: number, batch = -1): Record<string, unknown> => ({
  features: columns === 1 ? [] : Array.from({ length: columns }, (_, i) => `f${i}`),
  rows: 1,
  inputs: [{ name: 'input', datatype: 'FP32', shape: [batch, columns], from: 'window' }],
  outputs: [{ name: 'output', datatype: 'FP32', shape: [batch, outputs], as: 'out' }],
});

/** Manifest of `loopingModel()`. */
export const loopingManifest = (maxRun: string): Record<string, unknown> => ({
  rows: 1,
  inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 1], from: 'window' }],
  outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, 1], as: 'out' }],
  limits: { maxRun, maxBatch: 32 },
});
