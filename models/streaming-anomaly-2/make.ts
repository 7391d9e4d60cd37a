/**
 * Writes the bundle: `node models/streaming-anomaly-2/make.ts` (Node 24, about 15 s). Nothing is trained here: the graph
 * learns on each device. The same seed gives the same files.
 */
import { writeBundle } from '../training/bundle.ts';
import { OnnxGraph } from '../training/onnx.ts';
import { type Random, seededRandom } from '../training/random.ts';
import { Detector, scores } from './detector.ts';
import { type LabelledSeries, labelledSeries } from './generate.ts';
import { detectorGraph, STATE } from './graph.ts';
import { WARM_UP, WINDOW } from './settings.ts';

const SEED = 20260105;
const SERIES = 54;
const THRESHOLD = 0.9;

const graph = new OnnxGraph();
graph.output('score', detectorGraph(graph), ['N', 1]);

/** Readings with few digits, so that the files stay small: an ordinary signal with one fault after the warm-up. */
function sequence(length: number, at: number, value: (i: number) => number) {
  const readings = Float32Array.from({ length }, (_, i) => Math.round(value(i)));
  const detector = new Detector();
  const steps = Array.from({ length: length - WINDOW + 1 }, (_, i) => {
    const window = readings.subarray(i, i + WINDOW);
    const score = detector.step(window);
    return { window, columns: 1, outputs: i + WINDOW > at - 20 ? { score } : {} };
  });
  return { steps };
}

/** Share of windows with an alarm, and alarms per 1,000 readings outside windows, after the first 15 %. */
function evaluate(random: Random): { found: number; falseAlarmsPer1000: number } {
  let windows = 0;
  let found = 0;
  let outside = 0;
  let falseAlarms = 0;
  for (let k = 0; k < SERIES; k++) {
    const series: LabelledSeries = labelledSeries(random, k);
    const alarms = scores(series.values).map((score) => (score >= THRESHOLD ? 1 : 0));
    const inside = new Uint8Array(series.length);
    for (const [first, last] of series.windows) {
      inside.fill(1, first, last + 1);
      windows++;
      if (alarms.subarray(first, last + 1).includes(1)) found++;
    }
    for (let i = Math.floor(0.15 * series.length); i < series.length; i++) {
      if (inside[i] === 1) continue;
      outside++;
      falseAlarms += alarms[i]!;
    }
  }
  const round = (x: number): number => Math.round(x * 1e4) / 1e4;
  return { found: round(found / windows), falseAlarmsPer1000: round((1000 * falseAlarms) / outside) };
}

const generated = evaluate(seededRandom(SEED));
const samples = seededRandom(SEED + 1);
await writeBundle(new URL('.', import.meta.url), {
  onnx: graph.encode('streaming-anomaly', {
    seed: String(SEED),
    generator: 'models/streaming-anomaly-2/make.ts',
  }),
  manifest: {
    name: 'streaming-anomaly',
    version: '2',
    features: [],
    rows: WINDOW,
    inputs: [
      { name: 'input', datatype: 'FP32', shape: [-1, WINDOW], from: 'window' },
      ...STATE.map(({ input, shape }) => ({
        name: input,
        datatype: 'FP32',
        shape: [-1, ...shape.slice(1)],
        from: 'state',
      })),
    ],
    outputs: [
      { name: 'score', datatype: 'FP32', shape: [-1, 1], as: 'score' },
      ...STATE.map(({ output, shape }) => ({
        name: output,
        datatype: 'FP32',
        shape: [-1, ...shape.slice(1)],
      })),
    ],
    state: STATE.map(({ input, output, shape }) => ({ input, output, shape })),
    limits: { maxBatch: 64, deadline: '1s' },
    card: {
      intendedUse: `How unusual the newest reading of any single numeric sensor is, given what this sensor has done before: 0 ordinary, 1 anomalous; alarm at a score of 0.9 or more. It learns each sensor by itself and remembers up to 16,000 readings in 14 kB. For readings at a steady rate in a pipeline with window {count: ${WINDOW}, every: 1}. It reports events, not states: an anomaly that goes on is reported when it begins, then stays below 0.65 unless it becomes four times as unusual; the ability to report the same again comes back over about 100 readings.`,
      limits: `Quiet for the first ${WINDOW + WARM_UP - 1} readings, and it takes what it sees there for normal; in the next few hundred it gives about three times as many false alarms as later. It knows neither the time of day nor the calendar: a holiday in a daily rhythm is an anomaly to it, and a lost or late reading shifts the rhythm. What happened once in its memory is less unusual when it happens again. Sensors with frequent large peaks give alarms at some of them. Windows that overlap otherwise (every above 1) count as if they followed each other by one reading. Changes below a hundred-thousandth of the level are taken for rounding.`,
      trainingData:
        'None: the settings are the same for every sensor and the rest is learnt on the device. They were chosen with the 12 series of the Numenta Anomaly Benchmark named below in view (also shortened and thinned out) and with generated series',
      licence: 'Apache-2.0',
      source: 'models/streaming-anomaly-2/make.ts',
      metrics: {
        threshold: THRESHOLD,
        ...nab(),
        generated_series: SERIES,
        generated_windowsFound: generated.found,
        generated_falseAlarmsPer1000: generated.falseAlarmsPer1000,
      },
    },
  },
  golden: [
    sequence(400, 380, (i) => 50 + 40 * Math.sin(i / 7) + 2 * samples.normal() - (i >= 380 ? 60 : 0)),
    sequence(420, 390, (i) => 40 + 6 * samples.normal() + (i === 390 ? 70 : 0)),
  ],
  tolerance: 1e-3,
  measuredOn:
    'the Numenta Anomaly Benchmark 1.1 by its own score, where 0 is a detector that says nothing and 100 a perfect one: 12 series (5 without anomaly and 7 with known causes, in view when the settings were chosen), one threshold for all, the best for each profile; "leftOut" chooses the threshold for each series on the other 11; "at_0_9" is the fixed threshold; "46others" are the rest of the benchmark, looked at a few times on the way, on which nothing was chosen. And on generated series that no setting was chosen on',
});
console.log(JSON.stringify(generated));

/**
 * As `node test/models/nab/score.ts` printed them on the 12 shared series and, with `--series` and `--labels`, on the 46
 * others of the benchmark. The series are not part of this project.
 */
function nab(): Record<string, number> {
  return {
    nab_standard: 71,
    nab_lowFalsePositives: 62,
    nab_lowFalseNegatives: 77.1,
    nab_standard_leftOut: 58.9,
    nab_lowFalsePositives_leftOut: 50.2,
    nab_standard_at_0_9: 69.8,
    nab_lowFalsePositives_at_0_9: 59.7,
    nab_46others_standard: 67.6,
    nab_46others_lowFalsePositives: 57.7,
    nab_46others_standard_at_0_9: 63.7,
    nab_46others_lowFalsePositives_at_0_9: 54.9,
    cpuMicrosecondsPerReading: 300,
    stateBytes: 14152,
  };
}
