import { compareOutputs, type GoldenSample } from '../inference/golden.ts';
import { compareGolden } from '../inference/golden-tensors.ts';
import type { Inference, ModelInfo, OutputValue } from '../ports/inference.ts';
import type { Tensor, TensorData } from '../ports/tensor.ts';
import { goldenInputs } from './samples.ts';

/**
 * How late an answer may be: what is slow is measured and no error, also while a model is loaded on a busy machine. A
 * model that hangs is ended by its own limit.
 */
export const PATIENCE_MS = 120_000;

/** How many golden samples are right on this device, and what is wrong with the first that is not. */
export interface Accuracy {
  readonly samples: number;
  readonly right: number;
  readonly problem?: string;
}

/** Runs every golden sample once, a recurrent one step by step. Undefined when there are none. */
export async function accuracyOf(
  inference: Inference,
  reference: string,
  info: ModelInfo,
  golden: readonly GoldenSample[],
): Promise<Accuracy | undefined> {
  if (golden.length === 0) return undefined;
  const problems: string[] = [];
  for (const [index, sample] of golden.entries()) {
    const problem = await wrongWith(inference, reference, info, sample, `golden-${index}`);
    if (problem !== null) problems.push(problem);
  }
  const [problem] = problems;
  return {
    samples: golden.length,
    right: golden.length - problems.length,
    ...(problem === undefined ? {} : { problem: problem.slice(0, 500) }),
  };
}

async function wrongWith(
  inference: Inference,
  reference: string,
  info: ModelInfo,
  { steps, tolerance }: GoldenSample,
  id: string,
): Promise<string | null> {
  for (const [i, step] of steps.entries()) {
    const answer = await inference.infer(reference, {
      inputs: goldenInputs(info, step),
      priority: 'interactive',
      account: 'bench',
      deadline: PATIENCE_MS,
      ...(info.recurrent ? { sequence: { id, start: i === 0, end: i === steps.length - 1 } } : {}),
    });
    if (!answer.ok) return `${answer.code}: ${answer.message}`;
    const problem = problemOf(answer.outputs, step, tolerance);
    if (problem !== null) return problem;
  }
  return null;
}

function problemOf(
  outputs: Readonly<Record<string, Tensor>>,
  step: GoldenSample['steps'][number],
  tolerance: GoldenSample['tolerance'],
): string | null {
  if ('tensors' in step) return compareGolden(outputs, step.tensors, tolerance);
  const found = Object.entries(outputs).map(([name, tensor]) => [name, outputOf(tensor)] as const);
  return compareOutputs(Object.fromEntries(found), step.outputs, tolerance);
}

/** A tensor as golden samples write outputs: one value alone, else a list. */
function outputOf({ datatype, data }: Tensor): OutputValue {
  if (isBytes(data)) return new TextDecoder().decode(data[0] ?? new Uint8Array(0));
  const numbers = Array.from(data as ArrayLike<number | bigint>, Number);
  if (datatype === 'BOOL' && numbers.length === 1) return numbers[0] !== 0;
  return numbers.length === 1 ? numbers[0]! : numbers;
}

const isBytes = (data: TensorData): data is readonly Uint8Array[] => Array.isArray(data);
