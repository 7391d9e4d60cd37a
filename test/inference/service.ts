import { onTestFinished } from 'vitest';
import {
  createInference,
  type InferenceOptions,
  type InferenceService,
} from '../../gateway/inference/index.ts';
import type { ModelAnswer, ModelInput } from '../../gateway/ports/inference.ts';
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

/** Windows of one row. */
export const rowItems = (rows: readonly (readonly number[])[]): ModelInput[] =>
  rows.map((row) => ({ window: Float64Array.from(row), rows: 1, columns: row.length, state: undefined }));

/** What became of each item: the value of an output, or the code. */
export const summary = (answers: readonly ModelAnswer[], output: string): unknown[] =>
  answers.map((answer) => (answer.ok ? answer.output.outputs[output] : answer.code));

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
