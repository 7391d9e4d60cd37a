import type { Datatype, TensorSpec } from '../ports/tensor.ts';
import type { Manifest } from './manifest.ts';

/**
 * The public face of a bundle: the tensors before its preprocessing and after its postprocessing. Every door and every
 * pipeline goes through it, so that they agree.
 */
export interface Face {
  /** What a caller gives: the window and inputs from requests. */
  readonly inputs: readonly FaceInput[];
  /** Outputs of the model file that become results or go into their steps. */
  readonly exposed: readonly Exposed[];
  /** What a caller gets, in the order of results in frames. */
  readonly results: readonly ResultPlan[];
  /** Whether calls can share a run: each row along dimension 0 stands for itself. */
  readonly batched: boolean;
}

/** A model output and its name in results. */
export interface Exposed {
  readonly output: string;
  readonly as: string;
}

export interface FaceInput extends TensorSpec {
  readonly from: 'window' | 'request';
}

export interface ResultPlan extends TensorSpec {
  /** What `source` gives travels as its datatype; what steps made as FP32 or FP64, labels as their numbers. */
  readonly kind: 'numbers' | 'label' | 'boolean';
  /** For `label`: what each number stands for. */
  readonly labels?: readonly string[];
  /** Whether FP32 cannot hold its values. */
  readonly wide: boolean;
  /** The output of the model file that it is, when no step has changed it. */
  readonly source?: string;
}

/** Datatypes whose values FP32 holds exactly. */
const NARROW = new Set<Datatype>(['FP32', 'FP16', 'BOOL', 'INT8', 'UINT8', 'INT16', 'UINT16']);
/** Steps that leave values as they are, so that FP32 on the wire loses nothing more. */
const KEEPS_VALUES = new Set(['context', 'transpose']);

/** How the window travels: FP64 when steps compute on it, so that they do so at full precision. */
export function wireOf(manifest: Manifest): 'FP32' | 'FP64' {
  const window = manifest.inputs.find((input) => input.from === 'window');
  const narrow =
    window !== undefined &&
    NARROW.has(window.datatype) &&
    manifest.preprocess.every((step) => KEEPS_VALUES.has(step.step));
  return narrow ? 'FP32' : 'FP64';
}

export function faceOf(manifest: Manifest): Face {
  const batched = batches(manifest);
  const inputs = manifest.inputs.flatMap((input): FaceInput[] => {
    const { name, datatype, shape, from } = input;
    if (from !== 'window' && from !== 'request') return [];
    if (from === 'request' || manifest.preprocess.length === 0) return [{ name, datatype, shape, from }];
    const columns = manifest.columns ? -1 : Math.max(1, manifest.features.length);
    return [
      { name, from, datatype: wireOf(manifest), shape: [batched ? -1 : 1, manifest.rows ?? -1, columns] },
    ];
  });
  const exposed = exposedOf(manifest);
  return { inputs, exposed, results: resultsOf(manifest, exposed, batched), batched };
}

/** Outputs with `as`; when there are none, all outputs but state under their own names. */
function exposedOf(manifest: Manifest): Exposed[] {
  const named = manifest.outputs.flatMap(({ name, as }) => (as === undefined ? [] : [{ output: name, as }]));
  if (named.length > 0) return named;
  const states = new Set(manifest.state.map((pair) => pair.output));
  return manifest.outputs.flatMap(({ name }) => (states.has(name) ? [] : [{ output: name, as: name }]));
}

function resultsOf(manifest: Manifest, exposed: readonly Exposed[], batched: boolean): ResultPlan[] {
  const results = new Map<string, ResultPlan>();
  for (const { output: source, as: name } of exposed) {
    const { datatype, shape } = manifest.outputs.find((output) => output.name === source)!;
    results.set(name, { name, kind: 'numbers', datatype, shape, wide: !NARROW.has(datatype), source });
  }
  for (const step of manifest.postprocess) {
    const name = step.as ?? step.output;
    const of = results.get(step.output);
    const wide = of?.wide ?? false;
    const one = { name, shape: [batched ? -1 : 1, 1], wide: false };
    const floats = { kind: 'numbers', datatype: wide ? 'FP64' : 'FP32', name, wide } as const;
    if (step.step === 'argmax' || step.step === 'threshold') {
      const { labels } = step;
      if (labels) results.set(name, { ...one, kind: 'label', labels, datatype: 'BYTES' });
      else if (step.step === 'argmax') results.set(name, { ...one, kind: 'numbers', datatype: 'INT64' });
      else results.set(name, { ...one, kind: 'boolean', datatype: 'BOOL' });
    } else if (step.step === 'scalar') results.set(name, { ...one, ...floats });
    else results.set(name, { ...floats, shape: of?.shape ?? [] });
  }
  return [...results.values()];
}

/**
 * Whether every input that differs between calls, and every result, has a free first dimension. Whoever writes
 * `maxBatch: 1` says that this dimension is none of independent rows.
 */
function batches(manifest: Manifest): boolean {
  if (manifest.limits.maxBatch === 1 || manifest.inputs.length === 0) return false;
  const pairs = new Map(manifest.state.map((pair) => [pair.input, pair]));
  const inputs = manifest.inputs.every(({ name, from, shape }) => {
    if (from === 'constant') return true;
    if (from === 'window' || from === 'request') return shape[0] === -1;
    const pair = pairs.get(name);
    return pair !== undefined && shape[pair.batchAxis] === -1;
  });
  if (!inputs || manifest.inputs.every(({ from }) => from !== 'request')) return inputs;
  return manifest.outputs.every(({ shape }) => shape[0] === -1);
}
