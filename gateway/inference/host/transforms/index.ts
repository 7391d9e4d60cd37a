import type { TransformOf, TransformPlan } from '../../graph/transform-schema.ts';
import * as decisions from './decisions.ts';
import * as elementwise from './elementwise.ts';
import * as shaping from './shaping.ts';
import type { Make, TensorType, Transform } from './transform.ts';
import * as windows from './windows.ts';

type Makers = { readonly [T in TransformPlan['transform']]: Make<TransformOf<T>> };

/** Every transform by its name in a manifest. What needs a library or tables is loaded when a graph has it. */
const MAKERS: Makers = {
  scale: elementwise.scale,
  offset: elementwise.offset,
  standardize: elementwise.standardize,
  zscore: elementwise.zscore,
  log: elementwise.log,
  power: elementwise.power,
  abs: elementwise.abs,
  clip: elementwise.clip,
  cast: elementwise.cast,
  sigmoid: elementwise.sigmoid,
  softmax: elementwise.softmax,
  argmax: decisions.argmax,
  top: decisions.top,
  threshold: decisions.threshold,
  labels: decisions.labels,
  reduce: decisions.reduce,
  reshape: shaping.reshape,
  transpose: shaping.transpose,
  concat: shaping.concat,
  split: shaping.split,
  slice: shaping.slice,
  frames: windows.frames,
  window: windows.window,
  image: async (params, inputs) => (await import('./image.ts')).image(params, inputs),
  nms: async (params, inputs) => (await import('./nms.ts')).nms(params, inputs),
  resample: async (params, inputs) => (await import('./sound.ts')).resample(params, inputs),
  spectrum: async (params, inputs) => (await import('./sound.ts')).spectrum(params, inputs),
  mel: async (params, inputs) => (await import('./sound.ts')).mel(params, inputs),
  dct: async (params, inputs) => (await import('./sound.ts')).dct(params, inputs),
};

/** Makes a transform for the types of its inputs; throws or rejects with a coded error that names the key. */
export function makeTransform(
  params: TransformPlan,
  inputs: readonly TensorType[],
): Transform | Promise<Transform> {
  const make = MAKERS[params.transform] as Make<TransformPlan>;
  return make(params, inputs);
}
