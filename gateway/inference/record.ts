import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor } from '../ports/tensor.ts';
import { readBundle } from './bundle.ts';
import { outputsOf } from './columns.ts';
import { goldenOf } from './golden-tensors.ts';
import { HostProcess } from './host-process.ts';
import { rowsAreIndependent } from './independence.ts';
import { FREE, generator, madeUpInputs } from './made-up.ts';
import { Model } from './model.ts';
import { planOf } from './plan.ts';
import { probeTensors, probeWindow } from './probe.ts';
import { limitsOf, type VerifyOptions } from './verify.ts';

const DESCRIPTION =
  'Recorded on this device from made-up inputs when the bare model file was installed: it shows that the model still ' +
  'answers as it did then, not that it answers rightly.';
/** A sample of larger tensors would be larger than the model. */
const MAX_VALUES = 100_000;

/** What made-up inputs tell of a model. */
export interface Tried {
  /** Whether a golden sample was written: not where it would be too large, or the model does not take made-up inputs. */
  readonly recorded: boolean;
  /** Whether rows put together are answered as each is alone; undefined where that was not tried. */
  readonly independent: boolean | undefined;
}

/** Writes a golden sample that the model itself answers, and looks whether its rows are independent. */
export async function recordSample(folder: string, options: VerifyOptions): Promise<Tried> {
  const bundle = readBundle(folder);
  const model = new Model(bundle, planOf(bundle), 1);
  const host = new HostProcess({ ...options, ...limitsOf(options), onExit: () => undefined });
  const abort = (): void => host.kill('closed');
  options.signal.addEventListener('abort', abort, { once: true });
  let recorded = false;
  try {
    await host.control({ op: 'load', handle: 1, plan: model.plan });
    const sample = await answered(host, model);
    if (sample) {
      mkdirSync(join(folder, 'golden'));
      const tolerance = { absolute: 1e-5, relative: 1e-3 };
      const text = JSON.stringify({ description: DESCRIPTION, ...sample, tolerance });
      writeFileSync(join(folder, 'golden', 'recorded.json'), `${text}\n`);
      recorded = true;
    }
    return { recorded, independent: model.plan.batched ? await rowsAreIndependent(host, model) : undefined };
  } catch (error) {
    const what = recorded ? 'several rows at once' : 'made-up inputs';
    options.log.warn({ error: String(error) }, `models: ${model.key} does not take ${what}`);
    // What answers one row and ends the host with three must not be given several.
    return { recorded, independent: recorded ? false : undefined };
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
  const inputs = madeUpInputs(plan.face, 1, MAX_VALUES, random);
  if (!inputs) return null;
  const { outputs } = await probeTensors(host, model, inputs, undefined);
  if (Object.values(outputs).some(({ data }) => data.length > MAX_VALUES)) return null;
  return { inputs: goldenMap(inputs), outputs: goldenMap(outputs) };
}

const goldenMap = (tensors: Readonly<Record<string, Tensor>>): object =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, goldenOf(tensor)]));
