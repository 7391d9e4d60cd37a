import { barChart, escapeHtml, latencyChart } from '../html/charts.ts';
import { htmlPage } from '../html/page.ts';
import { CURVE } from './latencies.ts';
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
  return htmlPage(
    `Benchmark of ${machine.board === 'unknown' ? machine.cpu : machine.board}`,
    `<h1>Inference on ${title}</h1>
<dl>${facts.map(([name, value]) => `<dt>${name}</dt><dd>${escapeHtml(value)}</dd>`).join('')}</dl>
${offline.length > 0 ? `<section><h2>Samples a second, offline</h2>${barChart('Offline throughput', offline)}</section>` : ''}
${report.models.map(modelSection).join('\n')}
<footer><p>Scenarios as in MLPerf Inference: <b>SingleStream</b> one sample after the other; <b>MultiStream</b>
${settings.multiStreamSamples} at once, then the next; <b>Server</b> arrivals at random at a rate, the highest tried whose 99th
percentile stays within ${settings.latencyBoundMs} ms; <b>Offline</b> as many as there are. The run lengths are not MLPerf's, so
this is no MLPerf result. CPU and memory are the model host's.</p></footer>`,
  );
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
  return `<section>${head}${golden}${table(scenarios)}${latencyChart(`Latency of ${model.name}`, CURVE, curves)}</section>`;
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
