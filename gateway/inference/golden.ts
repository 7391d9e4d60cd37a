import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { OutputValue } from '../ports/inference.ts';
import type { Tensor } from '../ports/tensor.ts';
import { type Bundle, keyOf, readText } from './bundle.ts';
import { type GoldenTensor, goldenTensor, tensorOf } from './golden-tensors.ts';

/**
 * Golden samples: `golden/*.json` in a bundle, run on this device before the model may serve. One file is one sample:
 *
 *     { "inputs": { "window": [[20.1, 40], [20.3, 41]] },
 *       "outputs": { "score": 0.12, "label": "normal" },
 *       "tolerance": 1e-4 }
 *
 * A bundle whose inputs are given by name has tensors in their place: `"inputs": {"a": {"datatype": "FP32", "shape":
 * [1, 2], "data": [1, 2]}}`, and its outputs as well.
 *
 * `window` is a list of rows (each a list of columns), or a list of numbers for one column. A recurrent model has
 * `steps: [{inputs, outputs}, …]` in place of `inputs` and `outputs`; its state travels from step to step and begins
 * empty. `tolerance` is absolute, or `{absolute, relative}`: |found - expected| ≤ absolute + relative × |expected|.
 */

/** Most samples of one bundle; the check happens at each start. */
const MAX_SAMPLES = 64;
const DEFAULT_TOLERANCE = { absolute: 1e-5, relative: 1e-3 };

const row = z.array(z.number()).min(1);
const step = z.strictObject({
  inputs: z.union([
    z.strictObject({ window: z.union([row, z.array(row).min(1)]) }),
    z
      .record(z.string(), goldenTensor)
      .refine((tensors) => Object.keys(tensors).length > 0, 'a window, or tensors by name'),
  ]),
  outputs: z.record(
    z.string(),
    z.union([z.number(), z.string(), z.boolean(), z.array(z.number()), z.array(z.string()), goldenTensor]),
  ),
});
const tolerance = z.union([
  z
    .number()
    .min(0)
    .transform((absolute) => ({ absolute, relative: 0 })),
  z.strictObject({ absolute: z.number().min(0).default(0), relative: z.number().min(0).default(0) }),
]);
const common = { description: z.string().optional(), tolerance: tolerance.default(DEFAULT_TOLERANCE) };
const goldenSchema = z.union([
  z.strictObject({ ...common, steps: z.array(step).min(1).max(10_000) }),
  step
    .extend(common)
    .transform(({ inputs, outputs, ...rest }) => ({ ...rest, steps: [{ inputs, outputs }] })),
]);

export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

/** A window and what becomes of it, or tensors by name in and out. */
export type GoldenStep = GoldenWindow | GoldenCall;

export interface GoldenWindow {
  readonly window: Float64Array;
  readonly rows: number;
  readonly columns: number;
  readonly outputs: Readonly<Record<string, OutputValue>>;
}

export interface GoldenCall {
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly tensors: Readonly<Record<string, Tensor>>;
}

export interface GoldenSample {
  readonly file: string;
  readonly tolerance: Tolerance;
  readonly steps: readonly GoldenStep[];
}

/** The golden samples of a bundle in the order of their file names; none when it has no such folder. */
export function readGolden(bundle: Bundle): GoldenSample[] {
  const folder = join(bundle.folder, 'golden');
  let names: string[];
  try {
    names = readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new GatewayError('MODEL_GOLDEN', `${folder}: ${asGatewayError(error).message}`, { cause: error });
  }
  if (names.length > MAX_SAMPLES)
    throw new GatewayError('MODEL_GOLDEN', `${folder}: ${names.length} samples, at most ${MAX_SAMPLES}`);
  return names.map((name) => {
    const file = join(folder, name);
    return parseGolden(readText(file, 'MODEL_GOLDEN'), file);
  });
}

/** Parses one sample; throws MODEL_GOLDEN naming the file and key. */
export function parseGolden(text: string, file: string): GoldenSample {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new GatewayError('MODEL_GOLDEN', `${file}: ${asGatewayError(error).message}`, { cause: error });
  }
  const parsed = goldenSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new GatewayError('MODEL_GOLDEN', `${file}: ${keyOf(issue?.path ?? [])}: ${issue?.message}`);
  }
  const steps = parsed.data.steps.map(({ inputs, outputs }, i): GoldenStep => {
    const { window } = inputs;
    if (!Array.isArray(window)) return callOf(inputs as Record<string, GoldenTensor>, outputs, file);
    const rows = window.map((entry) => (typeof entry === 'number' ? [entry] : entry));
    const columns = rows[0]?.length ?? 0;
    const ragged = rows.findIndex((entry) => entry.length !== columns);
    if (ragged >= 0)
      throw new GatewayError('MODEL_GOLDEN', `${file}: step ${i}: row ${ragged} has not ${columns} columns`);
    const tensor = Object.keys(outputs).find((name) => isTensor(outputs[name]));
    if (tensor !== undefined)
      throw new GatewayError('MODEL_GOLDEN', `${file}: step ${i}: output "${tensor}" of a window is a value`);
    return {
      window: Float64Array.from(rows.flat()),
      rows: rows.length,
      columns,
      outputs: outputs as GoldenWindow['outputs'],
    };
  });
  return { file, tolerance: parsed.data.tolerance, steps };
}

const isTensor = (value: unknown): value is GoldenTensor =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function callOf(
  inputs: Readonly<Record<string, GoldenTensor>>,
  outputs: Readonly<Record<string, unknown>>,
  file: string,
): GoldenCall {
  const tensors = Object.entries(outputs).map(([name, value]) => {
    if (!isTensor(value))
      throw new GatewayError('MODEL_GOLDEN', `${file}: output "${name}" of a call with tensors is a tensor`);
    return [name, tensorOf(value)] as const;
  });
  const given = Object.entries(inputs).map(([name, value]) => [name, tensorOf(value)] as const);
  return { inputs: Object.fromEntries(given), tensors: Object.fromEntries(tensors) };
}

/** What is different between found and expected outputs, in words; null when they agree. */
export function compareOutputs(
  found: Readonly<Record<string, OutputValue>>,
  expected: Readonly<Record<string, OutputValue>>,
  allowed: Tolerance,
): string | null {
  for (const [name, want] of Object.entries(expected)) {
    const have = found[name];
    if (have === undefined) return `there is no output "${name}"`;
    if (isNumbers(want)) {
      const difference = compareNumbers(name, have, want, allowed);
      if (difference) return difference;
    } else if (Array.isArray(want)) {
      if (JSON.stringify(have) !== JSON.stringify(want))
        return `${name}: expected ${shorten(want)}, found ${shorten(have)}`;
    } else if (have !== want) return `${name}: expected ${want}, found ${shorten(have)}`;
  }
  return null;
}

function compareNumbers(
  name: string,
  have: OutputValue,
  want: number | readonly number[],
  allowed: Tolerance,
): string | null {
  const wanted = typeof want === 'number' ? [want] : want;
  const found = typeof have === 'number' ? [have] : Array.isArray(have) ? have : null;
  if (found?.length !== wanted.length)
    return `${name}: expected ${wanted.length} numbers, found ${shorten(have)}`;
  for (let i = 0; i < wanted.length; i++) {
    const limit = allowed.absolute + allowed.relative * Math.abs(wanted[i]!);
    if (!(Math.abs(found[i] - wanted[i]!) <= limit))
      return `${name}${wanted.length > 1 ? `[${i}]` : ''}: expected ${wanted[i]} ± ${limit}, found ${found[i]}`;
  }
  return null;
}

const isNumbers = (value: OutputValue): value is number | readonly number[] =>
  typeof value === 'number' || (Array.isArray(value) && typeof value[0] !== 'string');

const shorten = (value: OutputValue): string => {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};
