/** Drawings for self-contained pages as SVG text: nothing is loaded, nothing runs in the browser. */

export interface Curve {
  readonly label: string;
  /** Milliseconds, one for each share. */
  readonly values: readonly number[];
}

const WIDTH = 460;
const HEIGHT = 200;
const LEFT = 44;
const BOTTOM = 20;
const TOP = 10;
const RIGHT = 34;

/** Latency (logarithmic, ms) against the share of queries that took at most that long. */
export function latencyChart(title: string, shares: readonly number[], curves: readonly Curve[]): string {
  const all = curves.flatMap(({ values }) => values.filter((value) => value > 0));
  if (all.length === 0) return '';
  const low = 10 ** Math.floor(Math.log10(Math.min(...all)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...all, low * 1.0001)));
  const span = Math.log10(high / low);
  const x = (ms: number): number =>
    LEFT + ((WIDTH - LEFT - RIGHT) * Math.log10(Math.max(ms, low) / low)) / span;
  const y = (share: number): number => TOP + (HEIGHT - TOP - BOTTOM) * (1 - share);
  const parts = [frame(title)];
  for (let tick = low; tick <= high * 1.001; tick *= 10) {
    parts.push(
      `<line class="grid" x1="${at(x(tick))}" x2="${at(x(tick))}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/>`,
      `<text x="${at(x(tick))}" y="${HEIGHT - BOTTOM + 14}" text-anchor="middle">${plainNumber(tick)} ms</text>`,
    );
  }
  for (const share of [0, 0.5, 0.9, 1]) {
    parts.push(
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(share))}" y2="${at(y(share))}"/>`,
      `<text x="${LEFT - 5}" y="${at(y(share) + 4)}" text-anchor="end">${Math.round(share * 100)} %</text>`,
    );
  }
  curves.forEach(({ values }, index) => {
    const points = values.map((value, i) => `${at(x(value))},${at(y(shares[i] ?? 1))}`);
    parts.push(`<polyline class="c${index % 8}" points="${points.join(' ')}"/>`);
  });
  return `${parts.join('')}</svg>${legend(curves)}`;
}

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly text: string;
}

/** Horizontal bars from zero. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map(({ value }) => value));
  if (!(most > 0)) return '';
  const row = 24;
  const height = bars.length * row + 8;
  const name = 190;
  const room = WIDTH - name - 80;
  const rows = bars.map(({ label, value, text }, index) => {
    const y = 4 + index * row;
    return (
      `<text x="${name - 6}" y="${y + 15}" text-anchor="end">${escapeHtml(short(label))}</text>` +
      `<rect class="b${index % 8}" x="${name}" y="${y + 3}" width="${at((room * value) / most)}" height="${row - 8}" rx="2"/>` +
      `<text x="${at(name + (room * value) / most + 5)}" y="${y + 15}">${escapeHtml(text)}</text>`
    );
  });
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img"><title>${escapeHtml(title)}</title>${rows.join('')}</svg>`;
}

export interface Column {
  /** Below the axis; empty for none. */
  readonly label: string;
  readonly value: number;
  /** Shown when pointed at. */
  readonly text: string;
}

/** Columns from zero, as many as fit a page: days of a month, hours of a day. */
export function columnChart(title: string, columns: readonly Column[]): string {
  const most = Math.max(...columns.map(({ value }) => value));
  if (!(most > 0)) return '';
  const step = (WIDTH - LEFT - RIGHT) / columns.length;
  const room = HEIGHT - TOP - BOTTOM;
  const parts = columns.map(({ label, value, text }, index) => {
    const height = (room * value) / most;
    const x = LEFT + index * step;
    return (
      `<rect class="b0" x="${at(x + step * 0.1)}" y="${at(HEIGHT - BOTTOM - height)}" width="${at(step * 0.8)}" height="${at(height)}"><title>${escapeHtml(text)}</title></rect>` +
      `<text x="${at(x + step / 2)}" y="${HEIGHT - BOTTOM + 14}" text-anchor="middle">${escapeHtml(label)}</text>`
    );
  });
  const top = `<text x="${LEFT - 5}" y="${TOP + 8}" text-anchor="end">${plainNumber(most)}</text>`;
  const axis = `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM}"/>`;
  return `${frame(title)}${top}${axis}${parts.join('')}</svg>`;
}

const frame = (title: string): string =>
  `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"><title>${escapeHtml(title)}</title>`;

const legend = (curves: readonly Curve[]): string =>
  `<p class="legend">${curves
    .map(({ label }, index) => `<span class="k${index % 8}">${escapeHtml(label)}</span>`)
    .join(' ')}</p>`;

/** As much of a name as fits beside a bar. */
const short = (label: string): string =>
  [...label].length <= 28 ? label : `${[...label].slice(0, 27).join('')}…`;

const at = (value: number): string => value.toFixed(1);
const plainNumber = (value: number): string => String(Number(value.toPrecision(3)));

/** Names in reports come from strangers. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
}
