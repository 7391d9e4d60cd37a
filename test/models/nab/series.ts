import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { LabelledSeries } from './scoring.ts';

/** A series in NAB's file format: `timestamp,value` rows and labelled windows by name in a JSON file. */
export interface NabSeries extends LabelledSeries {
  readonly times: readonly string[];
  readonly values: Float64Array;
}

/** The folder with the shared series: `nab` in AIMX_TEST_DATA, by default `../shared/data`; undefined when absent. */
export function sharedSeriesFolder(): string | undefined {
  const folder = resolve(process.env.AIMX_TEST_DATA ?? '../shared/data', 'nab');
  return existsSync(join(folder, 'windows.json')) ? folder : undefined;
}

/** Reads all series that the label file names, from the folder. */
export function readSeries(folder: string, labels = join(folder, 'windows.json')): NabSeries[] {
  const windows = JSON.parse(readFileSync(labels, 'utf8')) as Record<string, [string, string][]>;
  return Object.entries(windows).map(([name, pairs]) => {
    const { times, column } = readColumn(join(folder, name), 'value');
    const row = (time: string): number => {
      const index = times.indexOf(time.slice(0, 'yyyy-mm-dd hh:mm:ss'.length));
      if (index < 0) throw new Error(`${name} has no row at ${time}, the edge of a window`);
      return index;
    };
    const limits = pairs.map(([first, last]) => [row(first), row(last)] as const);
    return { name, times, values: column, windows: limits, length: times.length };
  });
}

/** One column of a CSV file with a `timestamp` column. */
export function readColumn(file: string, name: string): { times: string[]; column: Float64Array } {
  const [header, ...lines] = readFileSync(file, 'utf8').trim().split(/\r?\n/);
  const names = header!.split(',');
  const time = names.indexOf('timestamp');
  const value = names.indexOf(name);
  if (time < 0 || value < 0) throw new Error(`${file} has no columns timestamp and ${name}`);
  const cells = lines.map((line) => line.split(','));
  return {
    times: cells.map((row) => row[time]!),
    column: Float64Array.from(cells, (row) => Number(row[value])),
  };
}
