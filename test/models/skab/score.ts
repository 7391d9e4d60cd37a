/**
 * `node test/models/skab/score.ts FOLDER [--json]`: the bundled `multivariate-anomaly` on the Skoltech Anomaly Benchmark
 * (github.com/waico/SKAB, data/), judged as its board for outlier detection does: readings after the first 400 of each
 * file, all files together; F1, false alarm rate and missing alarm rate. The files are GPL-3.0 and not part of this project.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Counts, count, noCounts, ratesOf } from '../../../models/multivariate-anomaly/evaluate.ts';
import { STATE } from '../../../models/multivariate-anomaly/graph.ts';

process.env.ORT_DISABLE_TELEMETRY = '1';
const { InferenceSession, Tensor } = await import('onnxruntime-node');

const FOLDERS = ['valve1', 'valve2', 'other'];
const LEARNING = 400;
const THRESHOLD = 0.5;

interface Series {
  readonly name: string;
  readonly rows: readonly Float32Array[];
  readonly faulty: readonly boolean[];
}

/** `datetime;sensor;…;anomaly;changepoint`; files without labels hold nothing faulty. */
function readSeries(name: string, file: string): Series {
  const [head, ...lines] = readFileSync(file, 'utf8').trim().split(/\r?\n/);
  const names = head!.split(';');
  const sensors = names.flatMap((column, i) =>
    ['datetime', 'anomaly', 'changepoint'].includes(column) ? [] : [i],
  );
  const label = names.indexOf('anomaly');
  const cells = lines.map((line) => line.split(';'));
  return {
    name,
    rows: cells.map((row) => Float32Array.from(sensors, (i) => Number(row[i]))),
    faulty: cells.map((row) => label >= 0 && Number(row[label]) === 1),
  };
}

/** Alarms per reading. */
async function detect({ rows }: Series): Promise<boolean[]> {
  let state = Object.fromEntries(
    Object.entries(STATE).map(([name, shape]) => [
      name,
      new Tensor('float32', new Float32Array(shape.reduce((a, b) => a * b, 1)), [1, ...shape]),
    ]),
  );
  const alarms: boolean[] = [];
  for (const row of rows) {
    const answer = await session.run({ ...state, window: new Tensor('float32', row, [1, 1, row.length]) });
    alarms.push((answer.score!.data[0] as number) >= THRESHOLD);
    state = Object.fromEntries(
      Object.keys(STATE).map((name) => [name, answer[`${name}_next`] as (typeof state)[string]]),
    );
  }
  return alarms;
}

const folder = process.argv.slice(2).find((word) => !word.startsWith('--'));
if (folder === undefined || !FOLDERS.every((name) => existsSync(join(folder, name)))) {
  console.error(`usage: score.ts FOLDER, with ${FOLDERS.join(', ')} in it (data/ of github.com/waico/SKAB)`);
  process.exit(2);
}
const model = join(import.meta.dirname, '../../../models/multivariate-anomaly/model.onnx');
const session = await InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const groups = new Map<string, Counts>();
const into = (group: string): Counts => {
  const counts = groups.get(group) ?? noCounts();
  groups.set(group, counts);
  return counts;
};
for (const group of FOLDERS) {
  for (const file of readdirSync(join(folder, group)).sort()) {
    if (!file.endsWith('.csv')) continue;
    const series = readSeries(`${group}/${file}`, join(folder, group, file));
    const half = Number.parseInt(file, 10) % 2 === 1 ? 'odd files' : 'even files';
    for (const [i, alarm] of (await detect(series)).entries()) {
      if (i < LEARNING) continue;
      for (const name of ['all', group, half]) count(into(name), alarm, series.faulty[i]!);
    }
  }
}
const rates = Object.fromEntries([...groups].map(([name, counts]) => [name, ratesOf(counts)]));
const normal = join(folder, 'anomaly-free', 'anomaly-free.csv');
if (existsSync(normal)) {
  const alarms = (await detect(readSeries('anomaly-free', normal))).slice(LEARNING);
  const begun = alarms.filter((alarm, i) => alarm && !alarms[i - 1]).length;
  const share = Math.round((alarms.filter(Boolean).length / alarms.length) * 1e4) / 1e4;
  console.error(`anomaly-free, ${alarms.length} readings: ${begun} alarms, ${share} of the time`);
}
if (process.argv.includes('--json')) console.log(JSON.stringify(rates));
else console.table(rates);
