import { checkGraph } from './graph/checks.ts';
import type { Manifest } from './manifest.ts';
import { MANIFEST_FILE } from './manifest-files.ts';

/** Something wrong between keys of a manifest. */
export interface ManifestIssue {
  /** Such as `inputs[1].from`. */
  readonly key: string;
  readonly message: string;
}

const elements = (shape: readonly number[]): number => shape.reduce((product, d) => product * d, 1);

/** What the schema cannot say: that the keys of a manifest fit together. Empty when they do. */
export function checkManifest(manifest: Manifest): ManifestIssue[] {
  const issues: ManifestIssue[] = [];
  const say = (key: string, message: string): void => void issues.push({ key, message });
  checkFiles(manifest, say);
  checkGraph(manifest, say);
  checkInputs(manifest, say);
  checkState(manifest, say);
  checkSteps(manifest, say);
  checkResults(manifest, say);
  return issues;
}

type Say = (key: string, message: string) => void;

/** Which keys go with which runtime. */
function checkFiles({ runtime, file, graph, remote, files, limits }: Manifest, say: Say): void {
  const own = runtime === 'onnx' || runtime === 'tfjs';
  if (own && file === MANIFEST_FILE) say('file', `runtime ${runtime} needs the name of the model file`);
  else if (own && files[0]?.file !== file)
    say('sha256', `runtime ${runtime} needs the SHA-256 of the model file`);
  if (!own && file !== MANIFEST_FILE) say('file', `runtime ${runtime} has no model file of its own`);
  for (const [key, value] of [
    ['graph', graph],
    ['remote', remote],
  ] as const) {
    if (runtime === key && value === undefined) say(key, `runtime ${key} needs this key`);
    if (runtime !== key && value !== undefined) say(key, `goes with runtime: ${key} only`);
  }
  unique(files, (one) => one.file, 'files', 'file', say);
  if (remote && remote.timeout >= limits.maxRun)
    say(
      'remote.timeout',
      `expected less than limits.maxRun, ${limits.maxRun} ms, found ${remote.timeout} ms`,
    );
}

function checkInputs(manifest: Manifest, say: Say): void {
  const windows = manifest.inputs.filter((input) => input.from === 'window');
  const requests = manifest.inputs.filter((input) => input.from === 'request');
  if (windows.length > 1 || (manifest.inputs.length > 0 && windows.length + requests.length === 0))
    say(
      'inputs',
      `expected one input with from: window, or inputs with from: request, found ${windows.length} and ${requests.length}`,
    );
  unique(manifest.inputs, (input) => input.name, 'inputs', 'name', say);
  unique(manifest.features, (feature) => feature, 'features', '', say);
  const { columns, features } = manifest;
  if (columns && features.length > 0) say('columns', 'goes without features: they say how many there are');
  if (columns && columns.min > columns.max) say('columns.max', `expected at least ${columns.min}`);
  manifest.inputs.forEach((input, i) => {
    if (input.from === 'constant' && !manifest.constants.some((c) => c.name === input.name))
      say(`inputs[${i}].from`, `no entry of constants is named "${input.name}"`);
    if (input.from === 'state' && !manifest.state.some((s) => s.input === input.name))
      say(`inputs[${i}].from`, `no entry of state has input: "${input.name}"`);
    if (input.from === 'window' && input.datatype === 'BYTES')
      say(`inputs[${i}].datatype`, 'a window cannot be BYTES');
  });
  unique(manifest.constants, (constant) => constant.name, 'constants', 'name', say);
  manifest.constants.forEach((constant, i) => {
    const expected = elements(constant.shape);
    if (constant.data.length !== expected)
      say(`constants[${i}].data`, `expected ${expected} values for its shape, found ${constant.data.length}`);
    const kind =
      constant.datatype === 'BYTES' ? 'string' : constant.datatype === 'BOOL' ? 'boolean' : 'number';
    // 64-bit integers beyond 2^53 are written as strings of digits.
    const large = constant.datatype === 'INT64' || constant.datatype === 'UINT64';
    const wrong = constant.data.findIndex(
      (value) => typeof value !== kind && !(large && typeof value === 'string' && /^-?\d{1,20}$/.test(value)),
    );
    if (wrong >= 0)
      say(`constants[${i}].data[${wrong}]`, `expected a ${kind}, found ${typeof constant.data[wrong]}`);
    if (!manifest.inputs.some((input) => input.from === 'constant' && input.name === constant.name))
      say(`constants[${i}].name`, `no input with from: constant is named "${constant.name}"`);
  });
}

function checkState(manifest: Manifest, say: Say): void {
  unique(manifest.state, (pair) => pair.input, 'state', 'input', say);
  unique(manifest.state, (pair) => pair.output, 'state', 'output', say);
  manifest.state.forEach((pair, i) => {
    const input = manifest.inputs.find((candidate) => candidate.name === pair.input);
    if (input?.from !== 'state') say(`state[${i}].input`, `"${pair.input}" is not an input with from: state`);
    else if (input.datatype !== 'FP32') say(`state[${i}].input`, 'state must be FP32');
    if (!manifest.outputs.some((output) => output.name === pair.output))
      say(`state[${i}].output`, `"${pair.output}" is not one of the outputs`);
    if (pair.shape[pair.batchAxis] !== 1)
      say(
        `state[${i}].shape`,
        `expected 1 at batchAxis ${pair.batchAxis}, found ${pair.shape[pair.batchAxis]}`,
      );
  });
}

function checkSteps(manifest: Manifest, say: Say): void {
  const columns = Math.max(1, manifest.features.length);
  manifest.preprocess.forEach((step, i) => {
    if (step.step === 'transpose' && i !== manifest.preprocess.length - 1)
      say(`preprocess[${i}]`, 'transpose must be the last step');
    if (step.step === 'context' && manifest.columns)
      say(`preprocess[${i}]`, 'context needs features: it keeps rows of one width');
    if (step.step !== 'standardize') return;
    for (const field of ['mean', 'std'] as const) {
      const length = step[field].length;
      if (length !== 1 && length !== columns)
        say(
          `preprocess[${i}].${field}`,
          `expected 1 or ${columns} numbers (one per feature), found ${length}`,
        );
    }
    const zero = step.std.findIndex((std) => !(std > 0));
    if (zero >= 0) say(`preprocess[${i}].std[${zero}]`, `expected more than 0, found ${step.std[zero]}`);
  });
}

function checkResults(manifest: Manifest, say: Say): void {
  unique(manifest.outputs, (output) => output.name, 'outputs', 'name', say);
  const results = new Set<string>();
  const windows = manifest.inputs.some((input) => input.from === 'window');
  manifest.outputs.forEach((output, i) => {
    if (output.as === undefined) return;
    if (results.has(output.as)) say(`outputs[${i}].as`, `"${output.as}" is taken by another output`);
    results.add(output.as);
  });
  manifest.postprocess.forEach((step, i) => {
    if (!results.has(step.output))
      say(`postprocess[${i}].output`, `"${step.output}" is not a result made before this step`);
    if (step.step === 'clip' && step.min === undefined && step.max === undefined)
      say(`postprocess[${i}]`, 'clip needs min, max or both');
    results.add(step.as ?? step.output);
  });
  if (results.size === 0 && windows) say('outputs', 'at least one output needs `as`, its name in results');
}

function unique<T>(
  list: readonly T[],
  nameOf: (item: T) => string,
  list_: string,
  field: string,
  say: Say,
): void {
  const seen = new Set<string>();
  list.forEach((item, i) => {
    const name = nameOf(item);
    if (seen.has(name)) say(`${list_}[${i}]${field && `.${field}`}`, `"${name}" is there twice`);
    seen.add(name);
  });
}
