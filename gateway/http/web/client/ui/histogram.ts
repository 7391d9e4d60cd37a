import { h, type JSX } from 'preact';
import { milliseconds, number } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';

interface Buckets {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

const WIDTH = 320;
const HEIGHT = 96;

/** At most this many bars: neighbours are put together. */
const BARS = 32;

/** The bucket below which a share of all values lies: its upper edge. */
export function quantile({ bounds, counts }: Buckets, share: number): number | null {
  const all = counts.reduce((sum, one) => sum + one, 0);
  let left = all * share;
  for (const [i, one] of counts.entries()) {
    left -= one;
    if (left <= 0 && one > 0) return bounds[i] ?? bounds.at(-1) ?? null;
  }
  return null;
}

/** How values spread, as bars on a scale that grows like the buckets do; with the middle and the slow end marked. */
export function Histogram({ of, label }: { of: Buckets; label: string }): JSX.Element {
  const { bounds, counts } = joined(of);
  const highest = Math.max(1, ...counts);
  const step = WIDTH / Math.max(1, counts.length);
  const [p50, p99] = [quantile(of, 0.5), quantile(of, 0.99)];
  const words = t('histogram.spoken', {
    count: number(of.counts.reduce((sum, one) => sum + one, 0)),
    p50: p50 === null ? '–' : milliseconds(p50),
    p99: p99 === null ? '–' : milliseconds(p99),
  });
  return h(
    'figure',
    { class: 'histogram' },
    h(
      'svg',
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        preserveAspectRatio: 'none',
        role: 'img',
        'aria-label': `${label}: ${words}`,
      },
      counts.map((one, i) => {
        const height = one === 0 ? 0 : Math.max(2, (one / highest) * (HEIGHT - 4));
        const slow = p99 !== null && bounds[i]! >= p99;
        return h('rect', {
          key: i,
          class: slow ? 'slow' : undefined,
          x: (i * step + step * 0.1).toFixed(1),
          width: (step * 0.8).toFixed(1),
          y: (HEIGHT - height).toFixed(1),
          height: height.toFixed(1),
        });
      }),
    ),
    h(
      'figcaption',
      { class: 'axis' },
      h('span', null, bounds.length > 0 ? milliseconds(bounds[0]!) : ''),
      h('span', null, t('histogram.half', { p50: p50 === null ? '–' : milliseconds(p50) })),
      h('span', null, bounds.length > 0 ? milliseconds(bounds.at(-1)!) : ''),
    ),
  );
}

function joined({ bounds, counts }: Buckets): Buckets {
  const every = Math.ceil(counts.length / BARS);
  if (every <= 1) return { bounds, counts };
  const groups = Math.ceil(counts.length / every);
  return {
    bounds: Array.from({ length: groups }, (_, i) => bounds[Math.min(bounds.length, (i + 1) * every) - 1]!),
    counts: Array.from({ length: groups }, (_, i) =>
      counts.slice(i * every, (i + 1) * every).reduce((sum, one) => sum + one, 0),
    ),
  };
}
