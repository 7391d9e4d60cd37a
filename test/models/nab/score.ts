/**
 * `node test/models/nab/score.ts`: the bundled `streaming-anomaly` by the rule of the Numenta Anomaly Benchmark on the
 * shared series, run through the gateway's model host. Options: `--model NAME[@VERSION]`; `--series FOLDER --labels FILE`
 * for other series in the benchmark's format; `--results FOLDER` judges scores that a detector left in files of the
 * benchmark's format (FOLDER/<group>/<detector>_<series>.csv) in place of the model's; `--json`.
 */
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { cost, MODELS, replay } from './replay.ts';
import { bestThreshold, PROFILES, type Profile, scoreAt } from './scoring.ts';
import { readColumn, readSeries, sharedSeriesFolder } from './series.ts';

/** On the 12 shared series, standard / reward-low-FP profile, each with its own best threshold. */
const PUBLISHED: readonly (readonly [name: string, standard: number, low: number])[] = [
  ['Windowed Gaussian', 13.4, 9.9],
  ['Skyline', 11.5, 6.9],
  ['KNN-CAD', 43.2, 23.9],
  ['CAD-OSE', 44.2, 37.0],
  ['Random Cut Forest', 50.3, 36.2],
  ['HTM', 57.2, 49.3],
  ['ARTime', 66.2, 57.3],
];
/** The score at which the model's card says to alarm. */
const ALARM = 0.9;

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'streaming-anomaly@2' },
    series: { type: 'string' },
    labels: { type: 'string' },
    results: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const folder = options.series ?? sharedSeriesFolder();
if (folder === undefined) {
  console.error('no series: set AIMX_TEST_DATA to the folder that holds nab/, or give --series FOLDER');
  process.exit(2);
}
const series = readSeries(folder, options.labels);
const terminal = process.stderr.isTTY;
const scores = options.results
  ? series.map(({ name }) => {
      const file = `${basename(options.results!)}_${basename(name)}`;
      return readColumn(join(options.results!, dirname(name), file), 'anomaly_score').column;
    })
  : await replay(
      options.model,
      series.map(({ values }) => values),
      (done) => terminal && process.stderr.write(`\r${Math.round(100 * done)} %`),
    );
if (terminal) process.stderr.write('\r');

/** The sum when the threshold for each series is chosen on all the others. */
function leftOut(profile: Profile): number {
  let raw = 0;
  let nothing = 0;
  let perfect = 0;
  for (const [i, one] of series.entries()) {
    const others = series.filter((_, k) => k !== i);
    const threshold = bestThreshold(
      others,
      scores.filter((_, k) => k !== i),
      profile,
    );
    raw += scoreAt([one], [scores[i]!], threshold, profile).raw;
    nothing += scoreAt([one], [scores[i]!], Number.POSITIVE_INFINITY, profile).raw;
    perfect += profile.truePositive * one.windows.length;
  }
  return (100 * (raw - nothing)) / (perfect - nothing);
}

const round = (x: number): number => Math.round(x * 10) / 10;
const profiles = Object.entries(PROFILES).map(([name, profile]) => {
  const threshold = bestThreshold(series, scores, profile);
  return {
    name,
    threshold,
    best: round(scoreAt(series, scores, threshold, profile).normalised),
    leftOut: round(leftOut(profile)),
    atAlarm: round(scoreAt(series, scores, ALARM, profile).normalised),
  };
});
const threshold = profiles[0]!.threshold;
const each = series.map((one, i) => {
  const { raw, windowsFound, windows, falsePositives } = scoreAt(
    [one],
    [scores[i]!],
    threshold,
    PROFILES.standard,
  );
  return {
    name: one.name,
    found: `${windowsFound}/${windows}`,
    falsePositives,
    raw: Math.round(raw * 100) / 100,
  };
});
const bundle = options.model.endsWith('@1') ? 'streaming-anomaly' : 'streaming-anomaly-2';
const costs = options.results ? undefined : await cost(join(MODELS, bundle), 2000);

if (options.json) {
  console.log(JSON.stringify({ profiles, series: each, ...costs }));
} else {
  console.log(`${options.results ?? options.model} on ${series.length} series, ${folder}\n`);
  console.log('profile            score   left out   at 0.9   threshold');
  for (const p of profiles)
    console.log(
      `${p.name.padEnd(18)} ${String(p.best).padStart(5)} ${String(p.leftOut).padStart(10)} ${String(p.atAlarm).padStart(8)}   ${p.threshold.toFixed(4)}`,
    );
  console.log('\nseries (standard profile)                                  windows   false   sum');
  for (const { name, found, falsePositives, raw } of each)
    console.log(
      `${name.padEnd(58)} ${found.padStart(7)} ${String(falsePositives).padStart(7)} ${String(raw).padStart(6)}`,
    );
  if (costs)
    console.log(
      `\n${Math.round(costs.cpuUs)} µs CPU and ${costs.stateBytes} bytes of state per reading and device`,
    );
  if (folder === sharedSeriesFolder()) {
    console.log('\npublished on the 12 shared series   standard   low FP');
    for (const [name, standard, low] of PUBLISHED)
      console.log(`${name.padEnd(36)} ${String(standard).padStart(7)} ${String(low).padStart(8)}`);
  }
}
