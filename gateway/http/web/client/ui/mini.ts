import { h, type JSX } from 'preact';

const WIDTH = 320;
const HEIGHT = 72;
/** Room above and below a flat line: share of the value's size. */
const FLAT = 0.02;

export interface MiniLine {
  readonly times: readonly number[];
  readonly values: readonly number[];
  readonly colour: string;
}

/** A few lines on one scale without axes, light enough for many of them on one page. */
export function Mini({ lines, label }: { lines: readonly MiniLine[]; label: string }): JSX.Element {
  const values = lines.flatMap((line) => line.values);
  const times = lines.flatMap((line) => line.times);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = Math.max((high - low) * 0.06, Math.abs(high) * FLAT, 1e-9);
  const [begin, end] = [Math.min(...times), Math.max(...times)];
  const place = (line: MiniLine): string =>
    line.values
      .map((value, i) => {
        const share =
          line.times.length === 0
            ? i / Math.max(1, line.values.length - 1)
            : (line.times[i]! - begin) / Math.max(1, end - begin);
        const y = HEIGHT - ((value - low + pad) / (high - low + 2 * pad)) * HEIGHT;
        return `${(share * WIDTH).toFixed(1)},${y.toFixed(1)}`;
      })
      .join(' ');
  return h(
    'svg',
    {
      class: 'mini',
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': label,
    },
    lines.map((line, i) => h('polyline', { key: i, class: line.colour, points: place(line) })),
  );
}

/** Colours of devices, the same wherever they appear on a page. */
export function colours(names: Iterable<string>): Map<string, string> {
  return new Map([...new Set(names)].sort().map((name, i) => [name, `c${i % 8}`]));
}
