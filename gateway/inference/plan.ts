import { join } from 'node:path';
import type { Datatype, TensorSpec } from '../ports/tensor.ts';
import type { Bundle } from './bundle.ts';
import { type Exposed, type FaceInput, faceOf, type ResultPlan, wireOf } from './face.ts';
import { type GraphPlan, planGraph } from './graph/plan.ts';
import type { Manifest, PostprocessStep, PreprocessStep } from './manifest.ts';
import { DEFAULT_SETTINGS, type RuntimeSettings } from './runners/settings.ts';

/**
 * A manifest as plain data for the model host: everything checked and laid out, so that the host needs no schema. The
 * order of state slots and results here is their order in frames.
 */
export interface ModelPlan {
  readonly runtime: string;
  /** The model file; the manifest where {@link graph} or {@link remote} say all. */
  readonly file: string;
  readonly graph: GraphPlan | undefined;
  readonly remote: Manifest['remote'];
  readonly settings: RuntimeSettings;
  /** How windows travel: FP64 when steps compute on them, so that they do so at full precision. */
  readonly wire: 'FP32' | 'FP64';
  /** Columns of a window; the most of them where the manifest leaves them free. */
  readonly columns: number;
  /** The fewest columns of a window: as many unless they are free. */
  readonly minColumns: number;
  /** The model's own input that windows go into, when it has one. */
  readonly window: TensorSpec | undefined;
  readonly face: readonly FaceInput[];
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly constants: readonly ConstantPlan[];
  readonly preprocess: readonly PreprocessStep[];
  readonly slots: readonly StateSlot[];
  /** Model outputs that become results, by name. */
  readonly exposed: readonly Exposed[];
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

export function planOf(bundle: Bundle, settings = DEFAULT_SETTINGS): ModelPlan {
  const { manifest } = bundle;
  const window = manifest.inputs.find((input) => input.from === 'window');
  const columns = manifest.columns?.max ?? Math.max(1, manifest.features.length);
  const { inputs: face, exposed, results, batched } = faceOf(manifest);
  return {
    runtime: manifest.runtime,
    file: bundle.modelFile,
    graph: planGraph(manifest, (name) => join(bundle.folder, name)),
    remote: manifest.remote,
    settings,
    wire: wireOf(manifest),
    columns,
    minColumns: manifest.columns?.min ?? columns,
    window: window && specOf(window),
    face,
    inputs: manifest.inputs.map(specOf),
    outputs: manifest.outputs.map(specOf),
    constants: manifest.constants,
    preprocess: manifest.preprocess,
    slots: slotsOf(manifest, columns),
    exposed,
    postprocess: manifest.postprocess,
    results,
    batched,
    maxTensorBytes: manifest.limits.maxTensorBytes,
  };
}

/** `8`, or `2 to 16` where columns are free. */
export const rangeOf = ({ columns, minColumns }: ModelPlan): string =>
  minColumns === columns ? String(columns) : `${minColumns} to ${columns}`;

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
