/**
 * Trains and exports the bundle: `node models/room-comfort/make.ts` (Node 24). The same seed gives the same file.
 */
import { writeBundle } from '../training/bundle.ts';
import { fitPerceptron, forward } from '../training/fit.ts';
import { accuracy, named, rates } from '../training/metrics.ts';
import { OnnxGraph } from '../training/onnx.ts';
import { seededRandom } from '../training/random.ts';
import { FEATURES, featureGraph, features } from './features.ts';
import { COLUMNS, COMFORT, room, WINDOW } from './generate.ts';

const SEED = 20260103;
const TRAINING = 20_000;
const TEST = 5_000;

const random = seededRandom(SEED);
const dataset = (count: number) => {
  const x = new Float32Array(count * FEATURES);
  const occupied = new Float32Array(count);
  const comfort = new Float32Array(count * COMFORT.length);
  const truth: number[] = [];
  for (let n = 0; n < count; n++) {
    const sample = room(random);
    features(sample.values, x, n * FEATURES);
    occupied[n] = sample.occupied ? 1 : 0;
    const label = COMFORT.indexOf(sample.comfort);
    comfort[n * COMFORT.length + label] = 1;
    truth.push(label);
  }
  return { x, occupied, comfort, truth };
};

const training = dataset(TRAINING);
const test = dataset(TEST);
const common = {
  hidden: [24, 12],
  epochs: 30,
  batchSize: 128,
  learningRate: 3e-3,
  validation: 0.15,
  patience: 5,
};
const occupancy = await fitPerceptron(training.x, training.occupied, TRAINING, {
  ...common,
  seed: SEED,
  output: { units: 1, activation: 'sigmoid' },
});
const comfort = await fitPerceptron(training.x, training.comfort, TRAINING, {
  ...common,
  seed: SEED + 1,
  output: { units: COMFORT.length, activation: 'softmax' },
});
const measured = {
  occupancy: rates(occupancy.predict(test.x, TEST), test.occupied, 0.5),
  comfort: accuracy(comfort.predict(test.x, TEST), test.truth, COMFORT),
};

const graph = new OnnxGraph();
const shared = featureGraph(graph, graph.input('input', ['N', WINDOW, COLUMNS.length]));
let present = shared;
for (const layer of occupancy.layers) present = graph.dense(present, layer);
let classes = shared;
for (const layer of comfort.layers) classes = graph.dense(classes, layer);
graph.output('occupancy', present, ['N', 1]);
graph.output('comfort_probabilities', classes, ['N', COMFORT.length]);

const samples = seededRandom(SEED + 2);
await writeBundle(new URL('.', import.meta.url), {
  onnx: graph.encode('room-comfort', { seed: String(SEED), generator: 'models/room-comfort/generate.ts' }),
  manifest: {
    name: 'room-comfort',
    version: '1',
    features: [...COLUMNS],
    rows: WINDOW,
    inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, WINDOW, COLUMNS.length], from: 'window' }],
    outputs: [
      { name: 'occupancy', datatype: 'FP32', shape: [-1, 1], as: 'occupancy' },
      {
        name: 'comfort_probabilities',
        datatype: 'FP32',
        shape: [-1, COMFORT.length],
        as: 'comfort_probabilities',
      },
    ],
    postprocess: [
      {
        output: 'comfort_probabilities',
        step: 'argmax',
        labels: [...COMFORT],
        as: 'comfort',
      },
    ],
    limits: { maxBatch: 256, deadline: '1s' },
    card: {
      intendedUse:
        'Whether a room is occupied (probability) and how comfortable its air is, from one reading a minute of °C, %RH, ppm CO₂, lx and the share of the minute with motion (0–1), eight in a window.',
      limits:
        'Trained on simulated rooms of 20–120 m³ with up to six people; halls and kitchens behave otherwise. Comfort is a rule of thumb after EN 16798-1 category II, not a medical or legal judgement. Someone who sits still in daylight, alone, soon after arriving is often missed.',
      trainingData: `${TRAINING} rooms from generate.ts, seed ${SEED}`,
      licence: 'Apache-2.0',
      source: 'models/room-comfort/make.ts',
      metrics: {
        testRooms: TEST,
        ...named('occupancy', measured.occupancy),
        comfortAccuracy: measured.comfort.accuracy,
        ...named('comfort', measured.comfort.recall),
      },
    },
  },
  golden: Array.from({ length: 8 }, () => {
    const { values } = room(samples);
    const x = new Float32Array(FEATURES);
    features(values, x, 0);
    return {
      window: values,
      columns: COLUMNS.length,
      outputs: {
        occupancy: forward(occupancy.layers, x, 1)[0]!,
        comfort_probabilities: forward(comfort.layers, x, 1),
      },
    };
  }),
  tolerance: 1e-3,
});
console.log(JSON.stringify(measured));
