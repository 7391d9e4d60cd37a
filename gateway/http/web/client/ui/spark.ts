import { h, type JSX } from 'preact';

interface SparkProps {
  readonly values: readonly number[];
  readonly label: string;
  /** Begin at zero; else at the lowest value. */
  readonly fromZero?: boolean;
  readonly tone?: string;
}

const WIDTH = 200;
const HEIGHT = 40;

/** A small line without axes: the shape of the last minutes. */
export function Spark({ values, label, fromZero = true, tone = 'c0' }: SparkProps): JSX.Element {
  const high = Math.max(...values, fromZero ? 1e-9 : Number.NEGATIVE_INFINITY);
  const low = fromZero ? 0 : Math.min(...values);
  const span = Math.max(high - low, Math.abs(high) * 0.02, 1e-9);
  const points = values.map((value, i) => {
    const x = values.length < 2 ? WIDTH : (i / (values.length - 1)) * WIDTH;
    const y = HEIGHT - 3 - ((value - low) / span) * (HEIGHT - 6);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  return h(
    'svg',
    {
      class: `spark ${tone}`,
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': label,
    },
    points.length > 1 && [
      h('polygon', { points: `0,${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}` }),
      h('polyline', { points: points.join(' ') }),
    ],
  );
}
