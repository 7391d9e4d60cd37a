import { barChart, escapeHtml, latencyChart } from './charts.ts';
import type { ModelResult, Report, ScenarioResult } from './report.ts';

/** A report as one HTML page that needs nothing else: no script, no font, no request. */
export function reportPage(report: Report): string {
  const { machine, settings } = report;
  const title = escapeHtml(machine.board === 'unknown' ? machine.cpu : machine.board);
  const facts: [string, string][] = [
    ['Board', machine.board],
    ['Processor', `${machine.cpu}, ${machine.cores} cores`],
    ['Memory', `${(machine.memoryBytes / 1024 ** 3).toFixed(1)} GiB`],
    ['System', `${machine.system}, Node ${machine.node}, gateway ${report.gateway}`],
    ['Governor, load', `${machine.governor}, ${machine.load}`],
    ['Run', `${report.createdAt}, ${settings.seconds} s a scenario, seed ${settings.seed}`],
    ['Signed by', report.signature?.device ?? 'nobody'],
  ];
  const offline = report.models.flatMap(({ model, runtime, scenarios }) =>
    scenarios
      .filter(({ scenario }) => scenario === 'Offline')
      .map(({ throughput }) => ({
        label: `${model.name} ${model.version}${runtime === 'onnx' ? '' : ` (${runtime})`}`,
        value: throughput,
        text: `${people(throughput)}/s`,
      })),
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Benchmark of ${title}</title>
<style>${STYLE}</style>
<h1>Inference on ${title}</h1>
<dl>${facts.map(([name, value]) => `<dt>${name}</dt><dd>${escapeHtml(value)}</dd>`).join('')}</dl>
${offline.length > 0 ? `<section><h2>Samples a second, offline</h2>${barChart('Offline throughput', offline)}</section>` : ''}
${report.models.map(modelSection).join('\n')}
<footer><p>Scenarios as in MLPerf Inference: <b>SingleStream</b> one sample after the other; <b>MultiStream</b>
${settings.multiStreamSamples} at once, then the next; <b>Server</b> arrivals at random at a rate, the highest tried whose 99th
percentile stays within ${settings.latencyBoundMs} ms; <b>Offline</b> as many as there are. The run lengths are not MLPerf's, so
this is no MLPerf result. CPU and memory are the model host's.</p></footer>
</html>
`;
}

function modelSection(result: ModelResult): string {
  const { model, scenarios, accuracy, error } = result;
  const head = `<h2>${escapeHtml(`${model.name} ${model.version}`)}</h2><p class="faint">${escapeHtml(result.runtime)},
 sha256 ${escapeHtml(model.sha256.slice(0, 16))}…, ready in ${people(result.loadMs)} ms, ${result.inputs} inputs</p>`;
  if (error)
    return `<section>${head}<p class="bad">${escapeHtml(`${error.code}: ${error.message}`)}</p></section>`;
  const golden = accuracy
    ? `<p class="${accuracy.right === accuracy.samples ? 'good' : 'bad'}">${accuracy.right} of ${accuracy.samples} golden samples right${accuracy.problem ? `: ${escapeHtml(accuracy.problem)}` : ''}</p>`
    : '<p class="faint">no golden samples</p>';
  const curves = scenarios.map(({ scenario, latency }) => ({ label: scenario, values: latency.curve }));
  return `<section>${head}${golden}${table(scenarios)}${latencyChart(`Latency of ${model.name}`, curves)}</section>`;
}

const COLUMNS: readonly [string, (result: ScenarioResult) => string][] = [
  ['Scenario', ({ scenario, rate }) => (rate === undefined ? scenario : `${scenario}, ${people(rate)}/s`)],
  ['p50 ms', ({ latency }) => people(latency.p50)],
  ['p90 ms', ({ latency }) => people(latency.p90)],
  ['p99 ms', ({ latency, withinBound }) => `${people(latency.p99)}${withinBound === false ? ' !' : ''}`],
  ['samples/s', ({ throughput }) => people(throughput)],
  ['failed', ({ failed }) => people(failed)],
  [
    'CPU ms/sample',
    ({ cpuSeconds, samples }) =>
      cpuSeconds === undefined || samples === 0 ? '–' : people((cpuSeconds * 1000) / samples),
  ],
  ['peak RSS', ({ peakRssBytes }) => (peakRssBytes ? `${(peakRssBytes / 1024 ** 2).toFixed(0)} MiB` : '–')],
  ['J/sample', ({ energy }) => (energy ? people(energy.joulesPerSample) : '–')],
];

function table(rows: readonly ScenarioResult[]): string {
  const head = COLUMNS.map(([title]) => `<th>${title}</th>`).join('');
  const body = rows.map((row) => `<tr>${COLUMNS.map(([, cell]) => `<td>${cell(row)}</td>`).join('')}</tr>`);
  return `<div class="wide"><table><tr>${head}</tr>${body.join('')}</table></div>`;
}

/** Three significant digits, thousands apart. */
const people = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));

const COLOURS = ['#0b7a80', '#c2571a', '#4a56c0', '#a5358f', '#5d7a14', '#8a6a00', '#2277c4', '#7a4a3a'];
const DARK = ['#4fc1c7', '#f0985c', '#98a4ff', '#ea8cd6', '#b0cf5a', '#e6c34d', '#74b9f5', '#cfa08d'];

const colours = (list: readonly string[]): string => list.map((colour, i) => `--c${i}:${colour};`).join('');
const STYLE = `
:root{--ground:#f4f6f6;--card:#fff;--text:#1b2225;--faint:#5c686e;--line:#dce1e3;--good:#1c7a43;--bad:#b3261e;${colours(COLOURS)}}
@media(prefers-color-scheme:dark){:root{--ground:#101517;--card:#192024;--text:#e4e9eb;--faint:#96a2a8;--line:#2c363b;--good:#5fc98a;--bad:#f2887f;${colours(DARK)}}}
body{margin:0 auto;max-width:60rem;padding:1rem 1.25rem;background:var(--ground);color:var(--text);font:15px/1.45 system-ui,sans-serif}
section{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.5rem 1rem 1rem;margin:1rem 0;break-inside:avoid}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:.5rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:0}dt{color:var(--faint)}dd{margin:0}
.faint,footer{color:var(--faint)}.good{color:var(--good)}.bad{color:var(--bad)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{color:var(--faint);font-weight:normal}
svg{display:block;width:100%;max-width:46rem;margin-top:.5rem}svg text{fill:var(--faint);font:11px system-ui,sans-serif}
.grid{stroke:var(--line)}polyline{fill:none;stroke-width:2}
.legend span::before{content:"";display:inline-block;width:.8em;height:.8em;margin:0 .35em 0 .8em;border-radius:2px;background:currentColor}
${COLOURS.map((_, i) => `.c${i}{stroke:var(--c${i})}.b${i}{fill:var(--c${i})}.k${i}::before{color:var(--c${i})}`).join('')}
`;
