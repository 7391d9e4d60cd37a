import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** TensorFlow.js models as files, written by hand: what the converter of TensorFlow writes, in its smallest form. */

const WEIGHTS = { rows: 4, columns: 3 };

/** Weights `[4, 3]` and bias `[3]`: any fixed numbers. */
export const weights = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i * 1.3));
export const bias = Float32Array.of(0.5, -0.25, 0.125);

/** `x · w + b` for rows of four numbers. */
export function dense(x: readonly number[]): number[] {
  const out: number[] = [];
  for (let row = 0; row < x.length; row += WEIGHTS.rows) {
    for (let c = 0; c < WEIGHTS.columns; c++) {
      let sum = bias[c]!;
      for (let k = 0; k < WEIGHTS.rows; k++) sum += x[row + k]! * weights[k * WEIGHTS.columns + c]!;
      out.push(sum);
    }
  }
  return out;
}

function writeModel(folder: string, format: string, modelTopology: object, names: readonly string[]): string {
  const bytes = new Uint8Array(60);
  bytes.set(new Uint8Array(weights.buffer));
  bytes.set(new Uint8Array(bias.buffer), 48);
  // Two shards, the first of which ends inside a number's neighbour: they are one run of bytes.
  writeFileSync(join(folder, 'weights-1of2.bin'), bytes.subarray(0, 40));
  writeFileSync(join(folder, 'weights-2of2.bin'), bytes.subarray(40));
  const shapes = [[4, 3], [3]];
  const entries = names.map((name, i) => ({ name, shape: shapes[i], dtype: 'float32' }));
  const file = join(folder, 'model.json');
  const weightsManifest = [{ paths: ['weights-1of2.bin', 'weights-2of2.bin'], weights: entries }];
  writeFileSync(file, JSON.stringify({ format, modelTopology, weightsManifest }));
  return file;
}

/** A graph model `input [-1, 4] → output [-1, 3]`. */
export function writeGraphModel(folder: string): string {
  const float = { dtype: { type: 'DT_FLOAT' } };
  const dims = (...sizes: number[]) => ({
    shape: { shape: { dim: sizes.map((size) => ({ size: String(size) })) } },
  });
  const constant = (name: string) => ({ name, op: 'Const', attr: float });
  const node = [
    { name: 'input', op: 'Placeholder', attr: { ...float, ...dims(-1, 4) } },
    constant('w'),
    constant('b'),
    { name: 'product', op: 'MatMul', input: ['input', 'w'], attr: { T: { type: 'DT_FLOAT' } } },
    { name: 'output', op: 'BiasAdd', input: ['product', 'b'], attr: { T: { type: 'DT_FLOAT' } } },
  ];
  return writeModel(folder, 'graph-model', { node, versions: { producer: 1 } }, ['w', 'b']);
}

/** A Keras model `input [-1, 4] → output [-1, 3]`. */
export function writeLayersModel(folder: string): string {
  const config = {
    name: 'output',
    trainable: true,
    batch_input_shape: [null, 4],
    dtype: 'float32',
    units: 3,
    activation: 'linear',
    use_bias: true,
  };
  const input = { class_name: 'InputLayer', name: 'input', inbound_nodes: [] };
  const topology = {
    class_name: 'Model',
    config: {
      name: 'tiny',
      layers: [
        {
          ...input,
          config: { batch_input_shape: [null, 4], dtype: 'float32', name: 'input', sparse: false },
        },
        { class_name: 'Dense', name: 'output', config, inbound_nodes: [[['input', 0, 0, {}]]] },
      ],
      input_layers: [['input', 0, 0]],
      output_layers: [['output', 0, 0]],
    },
    keras_version: '2.15.0',
    backend: 'tensorflow',
  };
  return writeModel(folder, 'layers-model', topology, ['output/kernel', 'output/bias']);
}
