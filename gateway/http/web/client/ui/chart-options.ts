import type uPlot from 'uplot';
import { measure } from '../lib/format.ts';
import { locale } from '../lib/i18n.ts';
import { colour } from '../lib/theme.ts';
import type { Line, Mark } from './chart.ts';

interface Parts {
  readonly lines: readonly Line[];
  readonly marks: () => readonly Mark[];
  readonly height: number;
  readonly width: number;
  readonly overTime: boolean;
  readonly point: (index: number | null) => void;
}

const FONT = '12px system-ui, sans-serif';
/** Room above and below a flat line, so that noise does not look like drama: share of the value's size. */
const FLAT = 0.02;

/** How a chart looks, in the colours of the style sheet as they are when it is drawn. */
export function chartOptions({ lines, marks, height, width, overTime, point }: Parts): uPlot.Options {
  const axis = (): Pick<uPlot.Axis, 'stroke' | 'grid' | 'ticks' | 'font'> => ({
    stroke: () => colour('soft'),
    grid: { stroke: () => colour('line'), width: 1 },
    ticks: { show: false },
    font: FONT,
  });
  return {
    width,
    height,
    padding: [10, 6, 0, 0],
    legend: { show: false },
    cursor: { drag: { setScale: false }, points: { size: 7 } },
    scales: { x: { time: overTime }, y: { range: roomy } },
    axes: [
      { ...axis(), size: 28, ...(overTime ? { values: timesOf, space: 68 } : {}) },
      { ...axis(), size: 56, space: 34, values: (_plot, splits) => splits.map((value) => measure(value)) },
    ],
    series: [
      {},
      ...lines.map(
        (line): uPlot.Series => ({
          label: line.name,
          stroke: () => colour(line.colour),
          width: 1.6,
          spanGaps: true,
          points: { show: line.values.length < 40 },
        }),
      ),
    ],
    hooks: {
      setCursor: [(plot) => point(plot.cursor.idx ?? null)],
      draw: [(plot) => drawMarks(plot, lines, marks())],
    },
  };
}

function roomy(_plot: uPlot, low: number | null, high: number | null): uPlot.Range.MinMax {
  if (low === null || high === null) return [0, 1];
  const pad = Math.max((high - low) * 0.08, Math.abs(high) * FLAT);
  if (pad === 0) return [0, 1];
  // What cannot be negative is not drawn as if it could.
  return [low >= 0 && low < pad ? 0 : low - pad, high + pad];
}

function timesOf(_plot: uPlot, splits: number[], _axis: number, _space: number, step: number): string[] {
  const style: Intl.DateTimeFormatOptions =
    step >= 86_400
      ? { day: 'numeric', month: 'short' }
      : { hour: '2-digit', minute: '2-digit', ...(step < 60 ? { second: '2-digit' } : {}) };
  const format = new Intl.DateTimeFormat(locale(), style);
  return splits.map((seconds) => format.format(seconds * 1000));
}

function drawMarks(plot: uPlot, lines: readonly Line[], marks: readonly Mark[]): void {
  const { ctx } = plot;
  const ring = colour('bad');
  const inner = colour('card');
  const unit = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
  ctx.clip();
  for (const mark of marks) {
    const series = lines.findIndex(({ name }) => name === mark.line);
    const value = series < 0 ? undefined : nearest(lines[series]!, mark.time);
    if (value === undefined) continue;
    const x = plot.valToPos(mark.time / 1000, 'x', true);
    const y = plot.valToPos(value, 'y', true);
    ctx.beginPath();
    ctx.arc(x, y, 4.5 * unit, 0, 2 * Math.PI);
    ctx.fillStyle = inner;
    ctx.fill();
    ctx.lineWidth = 2 * unit;
    ctx.strokeStyle = ring;
    ctx.stroke();
  }
  ctx.restore();
}

/** The value of a line where time comes closest. */
function nearest({ times, values }: Line, time: number): number | undefined {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! < time) low = middle + 1;
    else high = middle;
  }
  const before = Math.max(0, low - 1);
  const closer = Math.abs(times[before]! - time) < Math.abs(times[low]! - time) ? before : low;
  return values[closer];
}
