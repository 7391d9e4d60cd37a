/**
 * Trains and exports the bundle: `node models/streaming-anomaly/make.ts` (Node 24). The same seed gives the same file.
 */
import { writeBundle } from '../training/bundle.ts';
import { fitPerceptron, forward } from '../training/fit.ts';
import { rates } from '../training/metrics.ts';
import { OnnxGraph } from '../training/onnx.ts';
import { seededRandom } from '../training/random.ts';
import { FEATURES, featureGraph, features } from './features.ts';
import { labelledWindow, WINDOW } from './generate.ts';

const SEED = 20260101;
const TRAINING = 60_000;
const TEST = 6_000;
const THRESHOLD = 0.9;

const random = seededRandom(SEED);
const dataset = (count: number) => {
  const x = new Float32Array(count * FEATURES);
  const y = new Float32Array(count);
  for (let n = 0; n < count; n++) {
    const window = labelledWindow(random);
    features(window.values, x, n * FEATURES);
    y[n] = window.anomalous ? 1 : 0;
  }
  return { x, y };
};

const training = dataset(TRAINING);
const test = dataset(TEST);
const fit = await fitPerceptron(training.x, training.y, TRAINING, {
  seed: SEED,
  hidden: [48, 24],
  output: { units: 1, activation: 'sigmoid' },
  epochs: 30,
  batchSize: 128,
  learningRate: 1e-3,
  validation: 0.15,
  patience: 6,
});
const scores = fit.predict(test.x, TEST);
const measured = rates(scores, test.y, THRESHOLD);

const graph = new OnnxGraph();
let value = featureGraph(graph, graph.input('input', ['N', WINDOW]));
for (const layer of fit.layers) value = graph.dense(value, layer);
graph.output('score', value, ['N', 1]);

const samples = seededRandom(SEED + 1);
await writeBundle(new URL('.', import.meta.url), {
  onnx: graph.encode('streaming-anomaly', {
    seed: String(SEED),
    generator: 'models/streaming-anomaly/generate.ts',
  }),
  manifest: {
    name: 'streaming-anomaly',
    version: '1',
    features: [],
    rows: WINDOW,
    inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, WINDOW], from: 'window' }],
    outputs: [{ name: 'score', datatype: 'FP32', shape: [-1, 1], as: 'score' }],
    limits: { maxBatch: 256, deadline: '1s' },
    card: {
      intendedUse:
        'How unusual the newest readings of any single numeric sensor are, given the last 64: 0 ordinary, 1 anomalous. For sensors sampled at a steady rate; alarm at a score of 0.9 or more.',
      limits:
        'Trained on generated signals only, no field data. Sees 64 readings: it knows no longer daily or weekly rhythm and calls a first start-up unusual. Slow drifts within the usual range and a sensor that got stuck are not what it looks for. Changes below a ten-thousandth of the level are taken for rounding.',
      trainingData: `${TRAINING} windows from generate.ts, seed ${SEED}`,
      licence: 'Apache-2.0',
      source: 'models/streaming-anomaly/make.ts',
      metrics: { threshold: THRESHOLD, testWindows: TEST, ...measured },
    },
  },
  golden: Array.from({ length: 8 }, () => {
    const { values } = labelledWindow(samples);
    const x = new Float32Array(FEATURES);
    features(values, x, 0);
    return { window: values, columns: 1, outputs: { score: forward(fit.layers, x, 1)[0]! } };
  }),
  tolerance: 1e-3,
});
console.log(JSON.stringify({ epochs: fit.epochs, ...measured }));
