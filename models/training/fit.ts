import * as tf from '@tensorflow/tfjs';
import type { DenseWeights } from './onnx.ts';

export interface FitOptions {
  readonly seed: number;
  readonly hidden: readonly number[];
  readonly output: { readonly units: number; readonly activation: 'sigmoid' | 'softmax' };
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Share of the samples held out for validation, from the end. */
  readonly validation: number;
  /** Stop when the validation loss has not improved for this many epochs. */
  readonly patience: number;
}

export interface Fit {
  readonly layers: readonly DenseWeights[];
  readonly epochs: number;
  readonly trainingLoss: number;
  readonly validationLoss: number;
  /** Predictions for rows of features, row-major. */
  predict(features: Float32Array, count: number): Float32Array;
}

/**
 * Trains a multi-layer perceptron with TensorFlow.js (Adam; cross-entropy) and returns the weights of its best epoch.
 * @param features row-major `[count, width]`
 * @param targets row-major `[count, units]`
 */
export async function fitPerceptron(
  features: Float32Array,
  targets: Float32Array,
  count: number,
  options: FitOptions,
): Promise<Fit> {
  await tf.setBackend('cpu');
  const width = features.length / count;
  const model = tf.sequential();
  const units = [...options.hidden, options.output.units];
  units.forEach((size, index) => {
    const last = index === units.length - 1;
    model.add(
      tf.layers.dense({
        units: size,
        activation: last ? options.output.activation : 'relu',
        kernelInitializer: tf.initializers.heNormal({ seed: options.seed + index }),
        ...(index === 0 ? { inputShape: [width] } : {}),
      }),
    );
  });
  const loss = options.output.activation === 'softmax' ? 'categoricalCrossentropy' : 'binaryCrossentropy';
  model.compile({ optimizer: tf.train.adam(options.learningRate), loss });

  const held = Math.floor(count * options.validation);
  const trained = count - held;
  const x = tf.tensor2d(features.subarray(0, trained * width), [trained, width]);
  const y = tf.tensor2d(targets.subarray(0, trained * options.output.units), [trained, options.output.units]);
  const vx = tf.tensor2d(features.subarray(trained * width), [held, width]);
  const vy = tf.tensor2d(targets.subarray(trained * options.output.units), [held, options.output.units]);

  let best = { loss: Number.POSITIVE_INFINITY, training: 0, epoch: 0, weights: [] as Float32Array[] };
  const lines = process.stderr.isTTY ? '\r' : '\n';
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    const history = await model.fit(x, y, {
      epochs: 1,
      batchSize: options.batchSize,
      shuffle: false,
      validationData: [vx, vy],
      verbose: 0,
    });
    const validation = history.history.val_loss![0] as number;
    const training = history.history.loss![0] as number;
    process.stderr.write(
      `epoch ${epoch}/${options.epochs}  loss ${training.toFixed(4)}  validation ${validation.toFixed(4)}${lines}`,
    );
    if (validation < best.loss) {
      const weights = model.getWeights().map((w) => Float32Array.from(w.dataSync()));
      best = { loss: validation, training, epoch, weights };
    } else if (epoch - best.epoch >= options.patience) break;
  }
  process.stderr.write('\n');

  const layers = units.map((columns, index): DenseWeights => {
    const kernel = best.weights[index * 2]!;
    const last = index === units.length - 1;
    return {
      kernel,
      bias: best.weights[index * 2 + 1]!,
      rows: kernel.length / columns,
      columns,
      activation: last ? options.output.activation : 'relu',
    };
  });
  return {
    layers,
    epochs: best.epoch,
    trainingLoss: best.training,
    validationLoss: best.loss,
    predict: (rows, n) => forward(layers, rows, n),
  };
}

/** The perceptron in plain arithmetic: the reference that the exported file is compared with. */
export function forward(layers: readonly DenseWeights[], rows: Float32Array, count: number): Float32Array {
  let x = Float64Array.from(rows);
  for (const layer of layers) {
    const y = new Float64Array(count * layer.columns);
    for (let n = 0; n < count; n++) {
      for (let c = 0; c < layer.columns; c++) {
        let sum = layer.bias[c]!;
        for (let r = 0; r < layer.rows; r++)
          sum += x[n * layer.rows + r]! * layer.kernel[r * layer.columns + c]!;
        y[n * layer.columns + c] = layer.activation === 'relu' ? Math.max(0, sum) : sum;
      }
      finish(layer, y.subarray(n * layer.columns, (n + 1) * layer.columns));
    }
    x = y;
  }
  return Float32Array.from(x);
}

function finish(layer: DenseWeights, row: Float64Array): void {
  if (layer.activation === 'sigmoid') {
    for (let i = 0; i < row.length; i++) row[i] = 1 / (1 + Math.exp(-row[i]!));
  } else if (layer.activation === 'tanh') {
    for (let i = 0; i < row.length; i++) row[i] = Math.tanh(row[i]!);
  } else if (layer.activation === 'softmax') {
    const peak = Math.max(...row);
    let sum = 0;
    for (let i = 0; i < row.length; i++) {
      row[i] = Math.exp(row[i]! - peak);
      sum += row[i]!;
    }
    for (let i = 0; i < row.length; i++) row[i] = row[i]! / sum;
  }
}
