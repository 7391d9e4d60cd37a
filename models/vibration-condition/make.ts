/**
 * Trains and exports the bundle: `node models/vibration-condition/make.ts` (Node 24). The same seed gives the same
 * file.
 */
import { writeBundle } from '../training/bundle.ts';
import { fitPerceptron, forward } from '../training/fit.ts';
import { accuracy, named } from '../training/metrics.ts';
import { OnnxGraph } from '../training/onnx.ts';
import { seededRandom } from '../training/random.ts';
import { FEATURES, featureGraph, features } from './features.ts';
import { AXES, CONDITIONS, SAMPLE_RATE, vibration, WINDOW } from './generate.ts';

const SEED = 20260102;
const TRAINING = 6_000;
const TEST = 2_000;

const random = seededRandom(SEED);
const dataset = (count: number) => {
  const x = new Float32Array(count * FEATURES);
  const y = new Float32Array(count * CONDITIONS.length);
  const truth: number[] = [];
  for (let n = 0; n < count; n++) {
    const label = random.integer(0, CONDITIONS.length - 1);
    features(vibration(random, CONDITIONS[label]!, random.uniform()), x, n * FEATURES);
    y[n * CONDITIONS.length + label] = 1;
    truth.push(label);
  }
  return { x, y, truth };
};

const training = dataset(TRAINING);
const test = dataset(TEST);
const fit = await fitPerceptron(training.x, training.y, TRAINING, {
  seed: SEED,
  hidden: [32],
  output: { units: CONDITIONS.length, activation: 'softmax' },
  epochs: 30,
  batchSize: 64,
  learningRate: 1e-3,
  validation: 0.15,
  patience: 5,
});
const measured = accuracy(fit.predict(test.x, TEST), test.truth, CONDITIONS);

const graph = new OnnxGraph();
let value = featureGraph(graph, graph.input('input', ['N', WINDOW, AXES]));
for (const layer of fit.layers) value = graph.dense(value, layer);
graph.output('probabilities', value, ['N', CONDITIONS.length]);

const samples = seededRandom(SEED + 1);
await writeBundle(new URL('.', import.meta.url), {
  onnx: graph.encode('vibration-condition', {
    seed: String(SEED),
    generator: 'models/vibration-condition/generate.ts',
  }),
  manifest: {
    name: 'vibration-condition',
    version: '1',
    features: ['x', 'y', 'z'],
    rows: WINDOW,
    inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, WINDOW, AXES], from: 'window' }],
    outputs: [
      { name: 'probabilities', datatype: 'FP32', shape: [-1, CONDITIONS.length], as: 'probabilities' },
    ],
    postprocess: [
      {
        output: 'probabilities',
        step: 'argmax',
        labels: [...CONDITIONS],
        as: 'condition',
      },
    ],
    limits: { maxBatch: 64, deadline: '2s' },
    card: {
      intendedUse: `Condition of a rotating machine from half a second of three-axis acceleration in m/s² at a bearing housing: ${SAMPLE_RATE} samples a second, ${WINDOW} samples a window, shaft speed 15–55 Hz; x and y radial, z along the shaft.`,
      limits:
        'Trained on generated signals with textbook signatures only; check it on your machine before you act on it. Knows one fault at a time and nothing above 500 Hz: early bearing damage often shows only higher up. Other axes or sample rates give wrong answers without a warning.',
      trainingData: `${TRAINING} windows from generate.ts, seed ${SEED}`,
      licence: 'Apache-2.0',
      source: 'models/vibration-condition/make.ts',
      metrics: { testWindows: TEST, accuracy: measured.accuracy, ...named('recall', measured.recall) },
    },
  },
  golden: CONDITIONS.map((condition) => {
    const window = vibration(samples, condition, 0.6);
    const x = new Float32Array(FEATURES);
    features(window, x, 0);
    return { window, columns: AXES, outputs: { probabilities: forward(fit.layers, x, 1) } };
  }),
  tolerance: 2e-3,
});
console.log(JSON.stringify({ epochs: fit.epochs, ...measured }));
