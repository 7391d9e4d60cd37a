import type * as Tensorflow from '@tensorflow/tfjs-core';
import { GatewayError } from '../errors.ts';

/** A dense layer with its weights; `kernel` row-major `[rows, columns]`. */
export interface Layer {
  readonly rows: number;
  readonly columns: number;
  readonly activation: 'relu' | 'sigmoid' | 'softmax';
  readonly kernel: Float32Array;
  readonly bias: Float32Array;
}

/** Features and targets, row-major. */
export interface Batch {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly count: number;
}

export interface TrainOptions {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Stop when the loss on `held` has not fallen for so many epochs. */
  readonly patience: number;
  /** Weight of the squared distance from the weights that training began with. */
  readonly anchor: number;
  readonly onEpoch: (epoch: number, loss: number) => Promise<void>;
}

/** Loads TensorFlow.js with its CPU backend, which has every kernel that training needs. Throws TUNE_TOOLKIT. */
export async function loadTensorflow(): Promise<typeof Tensorflow> {
  try {
    const tf = await import('@tensorflow/tfjs-core');
    await import('@tensorflow/tfjs-backend-cpu');
    // The gradients come with the layers; the core alone has none.
    await import('@tensorflow/tfjs-layers');
    await tf.setBackend('cpu');
    return tf;
  } catch (cause) {
    throw new GatewayError('TUNE_TOOLKIT', 'TensorFlow.js is not installed here', { cause });
  }
}

/**
 * Trains all layers with Adam on the cross-entropy and answers those of the epoch with the lowest loss on `held`; the
 * layers it was given when none was lower.
 */
export async function train(
  tf: typeof Tensorflow,
  layers: readonly Layer[],
  learn: Batch,
  held: Batch,
  options: TrainOptions,
): Promise<{ layers: readonly Layer[]; epochs: number; before: number; after: number }> {
  const start = layers.map((layer) => ({
    kernel: tf.tensor2d(layer.kernel, [layer.rows, layer.columns]),
    bias: tf.tensor1d(layer.bias),
  }));
  const weights = start.map(({ kernel, bias }) => ({ kernel: tf.variable(kernel), bias: tf.variable(bias) }));
  const tensors = ({ x, y, count }: Batch) => [
    tf.tensor2d(x, [count, x.length / count]),
    tf.tensor2d(y, [count, y.length / count]),
  ];
  const [x, y] = tensors(learn) as [Tensorflow.Tensor2D, Tensorflow.Tensor2D];
  const [hx, hy] = tensors(held) as [Tensorflow.Tensor2D, Tensorflow.Tensor2D];

  const logits = (input: Tensorflow.Tensor2D): Tensorflow.Tensor2D =>
    weights.reduce((value, { kernel, bias }, i) => {
      const sum = tf.add(tf.matMul(value, kernel as Tensorflow.Tensor2D), bias) as Tensorflow.Tensor2D;
      return layers[i]!.activation === 'relu' ? tf.relu(sum) : sum;
    }, input);
  const entropy = (input: Tensorflow.Tensor2D, target: Tensorflow.Tensor2D): Tensorflow.Scalar => {
    const z = logits(input);
    if (layers.at(-1)!.activation === 'softmax')
      return tf.neg(tf.mean(tf.sum(tf.mul(target, tf.logSoftmax(z)), 1)));
    // -(t log σ(z) + (1 - t) log σ(-z)), without overflow.
    return tf.mean(tf.add(tf.sub(tf.relu(z), tf.mul(z, target)), tf.softplus(tf.neg(tf.abs(z)))));
  };
  const distance = (): Tensorflow.Scalar =>
    weights.reduce<Tensorflow.Scalar>(
      (sum, { kernel }, i) => tf.add(sum, tf.sum(tf.square(tf.sub(kernel, start[i]!.kernel)))),
      tf.scalar(0),
    );
  const heldLoss = (): number => tf.tidy(() => entropy(hx, hy).dataSync()[0]!);

  const optimizer = tf.train.adam(options.learningRate);
  const before = heldLoss();
  let best = { loss: before, epoch: 0, layers };
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    for (let at = 0; at < learn.count; at += options.batchSize) {
      const size = Math.min(options.batchSize, learn.count - at);
      tf.tidy(() => {
        const [bx, by] = [tf.slice(x, at, size), tf.slice(y, at, size)];
        optimizer.minimize(() => tf.add(entropy(bx, by), tf.mul(options.anchor, distance())));
      });
    }
    const loss = heldLoss();
    if (loss < best.loss)
      best = { loss, epoch, layers: layers.map((layer, i) => copyOf(layer, weights[i]!)) };
    await options.onEpoch(epoch, loss);
    if (epoch - best.epoch >= options.patience) break;
  }
  return { layers: best.layers, epochs: best.epoch, before, after: best.loss };
}

const copyOf = (
  layer: Layer,
  { kernel, bias }: { kernel: Tensorflow.Variable; bias: Tensorflow.Variable },
): Layer => ({
  ...layer,
  kernel: Float32Array.from(kernel.dataSync()),
  bias: Float32Array.from(bias.dataSync()),
});

/** The network in plain arithmetic, for one row of features. */
export function answerOf(layers: readonly Layer[], features: Float32Array): Float32Array {
  let x = Float64Array.from(features);
  for (const { rows, columns, kernel, bias, activation } of layers) {
    const y = Float64Array.from(bias);
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) y[c]! += x[r]! * kernel[r * columns + c]!;
    const peak = Math.max(...y);
    if (activation === 'relu') x = y.map((value) => Math.max(0, value));
    else if (activation === 'sigmoid') x = y.map((value) => 1 / (1 + Math.exp(-value)));
    else {
      const powers = y.map((value) => Math.exp(value - peak));
      const sum = powers.reduce((a, b) => a + b, 0);
      x = powers.map((value) => value / sum);
    }
  }
  return Float32Array.from(x);
}
