import { h, type JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { clockTime, dateTime, measure } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import { theme } from '../lib/theme.ts';
import { chartOptions } from './chart-options.ts';
import { useStore } from './use.ts';

/** One line: what it is called and its points. `times` in ms; empty: values by their place. */
export interface Line {
  readonly name: string;
  readonly times: readonly number[];
  readonly values: readonly number[];
  /** Colour of the style sheet: `c0` … `c7`. */
  readonly colour: string;
}

/** Something to see in a line: a ring where its line runs at that time. */
export interface Mark {
  readonly line: string;
  readonly time: number;
  readonly text: string;
}

export interface ChartProps {
  /** What it shows, for those who cannot see it. */
  readonly label: string;
  readonly unit?: string;
  readonly lines: readonly Line[];
  readonly marks?: readonly Mark[];
  readonly height?: number;
}

/** Lines over time (or over samples) on a canvas, with a legend that tells the values under the pointer. */
export function Chart({ label, unit = '', lines, marks = [], height = 220 }: ChartProps): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const live = useRef(marks);
  live.current = marks;
  const [at, point] = useState<number | null>(null);
  const colours = useStore(theme);
  const overTime = lines.every(({ times }) => times.length > 0);
  const shape = `${overTime} ${lines.map(({ name, colour }) => `${name}:${colour}`).join('|')} ${height} ${colours}`;

  useEffect(() => {
    const element = host.current!;
    const options = chartOptions({
      lines,
      marks: () => live.current,
      height,
      overTime,
      point,
      width: element.clientWidth,
    });
    const made = new uPlot(options, dataOf(lines, overTime), element);
    plot.current = made;
    made.root.setAttribute('aria-hidden', 'true');
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const redraw = (): void => made.redraw();
    dark.addEventListener('change', redraw);
    return () => {
      resized.disconnect();
      dark.removeEventListener('change', redraw);
      made.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => plot.current?.setData(dataOf(lines, overTime)), [lines, overTime]);
  useEffect(() => plot.current?.redraw(false), [marks]);

  const data = plot.current?.data;
  const x = at === null ? undefined : data?.[0][at];
  return h(
    'figure',
    { class: 'chart' },
    h('div', {
      ref: host,
      class: 'plot',
      role: 'img',
      'aria-label': `${label}. ${spoken(lines, unit, marks)}`,
    }),
    h(
      'figcaption',
      null,
      h(
        'ul',
        { class: 'legend' },
        lines.map((line, i) => {
          const value = at === null ? line.values.at(-1) : (data?.[i + 1]?.[at] ?? undefined);
          return h(
            'li',
            { key: line.name },
            h('i', { class: `swatch ${line.colour}`, 'aria-hidden': 'true' }),
            line.name,
            (overTime || at !== null) &&
              h('b', null, value === undefined ? '–' : `${measure(value)}${unit && ` ${unit}`}`),
          );
        }),
        x !== undefined &&
          h('li', { class: 'soft' }, overTime ? clockTime(x * 1000) : t('chart.sample', { n: x })),
      ),
    ),
  );
}

/** uPlot wants seconds, and one list of times for all lines. */
function dataOf(lines: readonly Line[], overTime: boolean): uPlot.AlignedData {
  if (lines.length === 0) return [[], []];
  const tables = lines.map(({ times, values }): uPlot.AlignedData => {
    const x = overTime ? times.map((ms) => ms / 1000) : values.map((_, i) => i);
    return [x, [...values]];
  });
  return tables.length === 1 ? tables[0]! : uPlot.join(tables);
}

function spoken(lines: readonly Line[], unit: string, marks: readonly Mark[]): string {
  const words = lines.slice(0, 8).map(({ name, values }) => {
    const [low, high] = extent(values);
    return t('chart.spoken', {
      name,
      last: measure(values.at(-1) ?? 0),
      low: measure(low),
      high: measure(high),
      unit,
    });
  });
  if (marks.length > 0)
    words.push(t('chart.spoken-marks', { count: marks.length, last: dateTime(marks.at(-1)!.time) }));
  return words.join('. ');
}

function extent(values: readonly number[]): [low: number, high: number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return values.length === 0 ? [0, 0] : [low, high];
}
