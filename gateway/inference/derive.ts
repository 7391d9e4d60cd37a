import { basename, dirname, resolve } from 'node:path';
import { GatewayError } from '../errors.ts';
import type { TensorSpec } from '../ports/tensor.ts';

/** What stands in a card for what a bare file does not tell. */
const UNKNOWN = 'unknown: installed from a bare model file';

/**
 * What a model file says of itself as a manifest. One float input of `[batch, rows]` or `[batch, rows, columns]` takes
 * windows of readings; all else is given by name. Throws MODEL_MANIFEST when a file says too little.
 */
export function deriveManifest(
  file: string,
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
  sha256: string,
): Record<string, unknown> {
  if (inputs.length === 0 || outputs.length === 0)
    throw new GatewayError(
      'MODEL_MANIFEST',
      `${file}: ${inputs.length} inputs and ${outputs.length} outputs`,
      {
        fix: 'Write a model.yaml beside the file and add the folder.',
      },
    );
  const window = windowOf(inputs);
  return {
    name: nameOf(file),
    version: '1',
    runtime: 'onnx',
    file: 'model.onnx',
    sha256,
    ...(window ?? {}),
    inputs: inputs.map((input) => ({ ...input, from: window ? 'window' : 'request' })),
    outputs: outputs.map((output) =>
      window && output.datatype !== 'BYTES' ? { ...output, as: keyOf(output.name) } : { ...output },
    ),
    card: {
      intendedUse: UNKNOWN,
      limits: UNKNOWN,
      trainingData: UNKNOWN,
      licence: UNKNOWN,
      source: basename(file),
    },
  };
}

/** Columns and rows of the windows that the one input takes; undefined when it is no window of readings. */
function windowOf(inputs: readonly TensorSpec[]): { features: string[]; rows?: number } | undefined {
  const [input] = inputs;
  if (inputs.length !== 1 || !input || (input.datatype !== 'FP32' && input.datatype !== 'FP64'))
    return undefined;
  const [batch, ...dims] = input.shape;
  if ((batch !== -1 && batch !== 1) || dims.length === 0 || dims.length > 2) return undefined;
  const [rows, columns = 1] = dims;
  if (columns < 1) return undefined;
  const features = columns === 1 ? [] : Array.from({ length: columns }, (_, i) => `column${i + 1}`);
  return { features, ...(rows! > 0 ? { rows: rows! } : {}) };
}

/** From the file's name, or its folder's where the file has the name that everybody gives. */
const nameOf = (file: string): string =>
  (basename(file) === 'model.onnx' ? basename(dirname(resolve(file))) : basename(file, '.onnx'))
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 64) || 'model';

const keyOf = (name: string): string => {
  const key = name.replace(/[^A-Za-z0-9_]/g, '_').slice(0, 63);
  return /^[A-Za-z_]/.test(key) ? key : `_${key}`;
};
