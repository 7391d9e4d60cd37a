import { escapeHtml } from './charts.ts';

/** A page that stands alone: no script, no font, no request; light, dark and on paper. `body` is HTML. */
export function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
${body}
</html>
`;
}

const COLOURS = ['#0b7a80', '#c2571a', '#4a56c0', '#a5358f', '#5d7a14', '#8a6a00', '#2277c4', '#7a4a3a'];
const DARK = ['#4fc1c7', '#f0985c', '#98a4ff', '#ea8cd6', '#b0cf5a', '#e6c34d', '#74b9f5', '#cfa08d'];

const colours = (list: readonly string[]): string => list.map((colour, i) => `--c${i}:${colour};`).join('');
const STYLE = `
:root{--ground:#f4f6f6;--card:#fff;--text:#1b2225;--faint:#5c686e;--line:#dce1e3;--good:#1c7a43;--bad:#b3261e;${colours(COLOURS)}}
@media(prefers-color-scheme:dark){:root{--ground:#101517;--card:#192024;--text:#e4e9eb;--faint:#96a2a8;--line:#2c363b;--good:#5fc98a;--bad:#f2887f;${colours(DARK)}}}
body{margin:0 auto;max-width:60rem;padding:1rem 1.25rem;background:var(--ground);color:var(--text);font:15px/1.45 system-ui,sans-serif}
section{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.5rem 1rem 1rem;margin:1rem 0;break-inside:avoid}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:.5rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:0}dt{color:var(--faint)}dd{margin:0;overflow-wrap:anywhere}
.faint,footer{color:var(--faint)}.good{color:var(--good)}.bad{color:var(--bad)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{color:var(--faint);font-weight:normal}tfoot td{font-weight:600;border-bottom:none}
figure{margin:.5rem 0}figcaption{color:var(--faint);font-size:.85rem}
svg{display:block;width:100%;max-width:46rem;margin-top:.5rem}svg text{fill:var(--faint);font:11px system-ui,sans-serif}
@page{margin:14mm}
@media print{:root{--ground:#fff;--card:#fff;--text:#000;--faint:#444;--line:#bbb;${colours(COLOURS)}}body{max-width:none;padding:0;font-size:10.5pt}section{border:none;padding:0;break-inside:auto}
figure,tr,dl{break-inside:avoid}h2{break-after:avoid}tfoot{display:table-row-group}.wide{overflow:visible}td:first-child{white-space:normal;overflow-wrap:anywhere}a{color:inherit}*{print-color-adjust:exact}}
.grid{stroke:var(--line)}polyline{fill:none;stroke-width:2}
.legend span::before{content:"";display:inline-block;width:.8em;height:.8em;margin:0 .35em 0 .8em;border-radius:2px;background:currentColor}
${COLOURS.map((_, i) => `.c${i}{stroke:var(--c${i})}.b${i}{fill:var(--c${i})}.k${i}::before{color:var(--c${i})}`).join('')}
`;
