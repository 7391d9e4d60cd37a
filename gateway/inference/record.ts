import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor, TensorSpec } from '../ports/tensor.ts';
import { readBundle } from './bundle.ts';
import { outputsOf } from './columns.ts';
import { goldenOf, tensorOf } from './golden-tensors.ts';
import { HostProcess } from './host-process.ts';
import { Model } from './model.ts';
import { planOf } from './plan.ts';
import { probeTensors, probeWindow } from './probe.ts';
import { elements } from './tensor-data.ts';
import { limitsOf, type VerifyOptions } from './verify.ts';

const DESCRIPTION =
  'Recorded on this device from made-up inputs when the bare model file was installed: it shows that the model still ' +
  'answers as it did then, not that it answers rightly.';
/** Free dimensions of made-up inputs, but the batch. */
const FREE = 4;
/** A sample of larger tensors would be larger than the model. */
const MAX_VALUES = 100_000;

/**
 * Writes a golden sample that the model itself answers. Resolves false when there is none: the inputs would be too
 * large, or the model does not take made-up ones.
 */
export async function recordSample(folder: string, options: VerifyOptions): Promise<boolean> {
  const bundle = readBundle(folder);
  const model = new Model(bundle, planOf(bundle), 1);
  const host = new HostProcess({ ...options, ...limitsOf(options), onExit: () => undefined });
  const abort = (): void => host.kill('closed');
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    await host.control({ op: 'load', handle: 1, plan: model.plan });
    const sample = await answered(host, model);
    if (!sample) return false;
    mkdirSync(join(folder, 'golden'));
    const text = JSON.stringify({
      description: DESCRIPTION,
      ...sample,
      tolerance: { absolute: 1e-5, relative: 1e-3 },
    });
    writeFileSync(join(folder, 'golden', 'recorded.json'), `${text}\n`);
    return true;
  } catch (error) {
    options.log.warn({ error: String(error) }, `models: ${model.key} does not take made-up inputs`);
    return false;
  } finally {
    options.signal.removeEventListener('abort', abort);
    host.close();
    await host.ended;
  }
}

async function answered(host: HostProcess, model: Model): Promise<object | null> {
  const { plan, bundle } = model;
  const random = generator(1);
  if (plan.window) {
    const rows = bundle.manifest.rows ?? FREE;
    const { columns } = plan;
    if (rows * columns > MAX_VALUES) return null;
    const values = Float64Array.from({ length: rows * columns }, random);
    const { parts } = await probeWindow(host, model, { values, rows, columns }, undefined);
    const [part] = parts;
    const window = Array.from({ length: rows }, (_, r) => [
      ...values.subarray(r * columns, (r + 1) * columns),
    ]);
    return part ? { inputs: { window }, outputs: outputsOf(part, 0) } : null;
  }
  const inputs: Record<string, Tensor> = {};
  for (const spec of plan.face) {
    const shape = shapeOf(spec);
    if (elements(shape) > MAX_VALUES) return null;
    const data = Array.from({ length: elements(shape) }, () => madeUp(spec.datatype, random()));
    inputs[spec.name] = tensorOf({ datatype: spec.datatype, shape, data });
  }
  const { outputs } = await probeTensors(host, model, inputs, undefined);
  if (Object.values(outputs).some(({ data }) => data.length > MAX_VALUES)) return null;
  return { inputs: goldenMap(inputs), outputs: goldenMap(outputs) };
}

const goldenMap = (tensors: Readonly<Record<string, Tensor>>): object =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, goldenOf(tensor)]));

const shapeOf = ({ shape }: TensorSpec): number[] =>
  shape.map((d, axis) => (d >= 0 ? d : axis === 0 ? 1 : FREE));

/** Small numbers, which most models take. */
function madeUp(datatype: TensorSpec['datatype'], random: number): number | string {
  if (datatype === 'BYTES') return `text ${Math.floor(Math.abs(random) * 10)}`;
  if (datatype === 'BOOL') return random > 0 ? 1 : 0;
  if (datatype.startsWith('FP')) return random;
  return Math.floor(Math.abs(random) * 3);
}

/** Numbers from -1 to 1, the same in every run (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Number((((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1).toFixed(4));
  };
}
