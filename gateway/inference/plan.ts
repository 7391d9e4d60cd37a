import type { Datatype, TensorSpec } from '../ports/tensor.ts';
import type { Bundle } from './bundle.ts';
import type { Manifest, PostprocessStep, PreprocessStep } from './manifest.ts';

/**
 * A manifest as plain data for the model host: everything checked and laid out, so that the host needs no schema. The
 * order of state slots and results here is their order in frames.
 */
export interface ModelPlan {
  readonly runtime: string;
  readonly file: string;
  /** How windows travel: FP64 when steps compute on them, so that they do so at full precision. */
  readonly wire: 'FP32' | 'FP64';
  /** Columns of a window. */
  readonly columns: number;
  readonly window: TensorSpec;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly constants: readonly ConstantPlan[];
  readonly preprocess: readonly PreprocessStep[];
  readonly slots: readonly StateSlot[];
  /** Model outputs that become results, by name. */
  readonly exposed: readonly { readonly output: string; readonly as: string }[];
  readonly postprocess: readonly PostprocessStep[];
  readonly results: readonly ResultPlan[];
  /** Whether several windows fit in one run. */
  readonly batched: boolean;
  readonly maxTensorBytes: number;
}

export interface ConstantPlan {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: readonly (number | string | boolean)[];
}

/** State of one device between its windows: of the model itself, or the rows that a `context` step remembers. */
export interface StateSlot {
  /** Its name in `ModelState`. */
  readonly name: string;
  /** Values per device. */
  readonly size: number;
  readonly pair?: {
    readonly input: string;
    readonly output: string;
    readonly shape: readonly number[];
    readonly batchAxis: number;
  };
}

export interface ResultPlan {
  readonly name: string;
  readonly kind: 'numbers' | 'label' | 'boolean';
  /** For `label`: what each number stands for. */
  readonly labels?: readonly string[];
  /** Whether values travel as FP64, because FP32 cannot hold them. */
  readonly wide: boolean;
}

/** Steps that leave values as they are, so that FP32 on the wire loses nothing more. */
const KEEPS_VALUES = new Set(['context', 'transpose']);
/** Datatypes whose values FP32 holds exactly. */
const NARROW = new Set<Datatype>(['FP32', 'FP16', 'BOOL', 'INT8', 'UINT8', 'INT16', 'UINT16']);

export function planOf(bundle: Bundle): ModelPlan {
  const { manifest } = bundle;
  const window = manifest.inputs.find((input) => input.from === 'window')!;
  const columns = Math.max(1, manifest.features.length);
  const narrow =
    NARROW.has(window.datatype) && manifest.preprocess.every((step) => KEEPS_VALUES.has(step.step));
  const exposed = manifest.outputs.flatMap((output) =>
    output.as === undefined ? [] : [{ output: output.name, as: output.as }],
  );
  return {
    runtime: manifest.runtime,
    file: bundle.modelFile,
    wire: narrow ? 'FP32' : 'FP64',
    columns,
    window: specOf(window),
    inputs: manifest.inputs.map(specOf),
    outputs: manifest.outputs.map(specOf),
    constants: manifest.constants,
    preprocess: manifest.preprocess,
    slots: slotsOf(manifest, columns),
    exposed,
    postprocess: manifest.postprocess,
    results: resultsOf(manifest),
    batched: batches(manifest),
    maxTensorBytes: manifest.limits.maxTensorBytes,
  };
}

const specOf = ({ name, datatype, shape }: TensorSpec): TensorSpec => ({ name, datatype, shape });

function slotsOf(manifest: Manifest, columns: number): StateSlot[] {
  const contexts = manifest.preprocess.flatMap((step, i) =>
    step.step === 'context' ? [{ name: `context:${i}`, size: step.rows * columns }] : [],
  );
  const pairs = manifest.state.map((pair) => ({
    name: pair.input,
    size: pair.shape.reduce((product, d) => product * d, 1),
    pair: { input: pair.input, output: pair.output, shape: pair.shape, batchAxis: pair.batchAxis },
  }));
  return [...contexts, ...pairs];
}

function resultsOf(manifest: Manifest): ResultPlan[] {
  const results = new Map<string, ResultPlan>();
  for (const output of manifest.outputs) {
    if (output.as === undefined) continue;
    results.set(output.as, { name: output.as, kind: 'numbers', wide: !NARROW.has(output.datatype) });
  }
  for (const step of manifest.postprocess) {
    const name = step.as ?? step.output;
    const wide = results.get(step.output)?.wide ?? false;
    if (step.step === 'argmax' || step.step === 'threshold') {
      const { labels } = step;
      const number = step.step === 'argmax' ? 'numbers' : 'boolean';
      results.set(
        name,
        labels ? { name, kind: 'label', labels, wide: false } : { name, kind: number, wide: false },
      );
    } else results.set(name, { name, kind: 'numbers', wide });
  }
  return [...results.values()];
}

/** Whether every input that differs between windows has a free batch dimension. */
function batches(manifest: Manifest): boolean {
  return manifest.inputs.every((input) => {
    if (input.from === 'constant') return true;
    if (input.from === 'window') return input.shape[0] === -1;
    const pair = manifest.state.find((candidate) => candidate.input === input.name);
    return pair !== undefined && input.shape[pair.batchAxis] === -1;
  });
}
