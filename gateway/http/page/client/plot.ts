import type { PlotView } from '../../views.ts';
import { element, svg } from './dom.ts';
import { duration, measure, unitText } from './format.ts';

type Series = PlotView['series'][number];

const WIDTH = 320;
const HEIGHT = 90;
/** Colours in page.css. */
const COLOURS = 8;
/** Room above and below a flat line, so that noise does not look like drama: share of the value's size. */
const FLAT = 0.02;

/** Plots of a stream or pipeline: one for each field, with a line for each device, whose colour is its everywhere. */
export function plots(plot: PlotView): HTMLElement {
  const devices = [...new Set(plot.series.map(({ device }) => device))].sort();
  const colour = (device: string): string => `c${devices.indexOf(device) % COLOURS}`;
  const byField = Map.groupBy(plot.series, (series) => series.name);
  const figures = [...byField].map(([name, series]) => figure(name, series, colour));
  return element('div', { class: 'plots' }, ...figures);
}

function figure(name: string, series: readonly Series[], colour: (device: string) => string): HTMLElement {
  const values = series.flatMap((one) => one.values);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const pad = Math.max((high - low) * 0.06, Math.abs(high) * FLAT, 1e-9);
  const [bottom, top] = [low - pad, high + pad];
  const times = series.flatMap((one) => one.times);
  const [begin, end] = [Math.min(...times), Math.max(...times)];
  const frame = times.length === 0;
  const picture = svg('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: 'none',
    role: 'img',
    'aria-label': `${name} between ${measure(low)} and ${measure(high)}`,
  });
  for (const one of series) {
    const points = one.values.map((value, i) => {
      const share = frame
        ? i / Math.max(1, one.values.length - 1)
        : (one.times[i]! - begin) / Math.max(1, end - begin);
      const y = HEIGHT - ((value - bottom) / (top - bottom)) * HEIGHT;
      return `${(share * WIDTH).toFixed(1)},${y.toFixed(1)}`;
    });
    picture.append(svg('polyline', { class: `line ${colour(one.device)}`, points: points.join(' ') }));
  }
  const bound = (value: number): string => measure(Math.abs(value) < (high - low) / 1000 ? 0 : value);
  const unit = unitText(series[0]!.unit);
  const span = frame ? 'newest frame' : `last ${duration(end - begin)}`;
  return element(
    'figure',
    {},
    element(
      'figcaption',
      {},
      element('strong', {}, `${name}${unit && ` (${unit})`}`),
      element('span', { class: 'faint' }, span),
    ),
    element(
      'div',
      { class: 'plot' },
      picture,
      element('span', { class: 'top' }, bound(high)),
      element('span', { class: 'bottom' }, bound(low)),
    ),
    element('ul', { class: 'legend' }, ...series.map((one) => legend(one, colour(one.device), frame))),
  );
}

function legend(series: Series, colour: string, frame: boolean): HTMLElement {
  const value = frame ? '' : ` ${measure(series.values.at(-1)!)}`;
  return element(
    'li',
    {},
    element('i', { class: `dot ${colour}` }, ''),
    series.device,
    element('b', {}, value),
  );
}
