import { GatewayError } from '../../errors.ts';
import type { LoadedModel } from '../../ports/model-runner.ts';
import type { Datatype, Tensor, TensorSpec } from '../../ports/tensor.ts';
import type { ConstantPlan, ModelPlan, StateSlot } from '../plan.ts';
import { fromNumbers, toNumbers } from './cast.ts';
import { postprocess, type Values } from './postprocess.ts';
import { preprocess, type Windows } from './preprocess.ts';

export interface BatchResult {
  /** One entry per result of the plan, in its order. */
  readonly results: readonly Values[];
  /** One entry per state slot, the values of all items. */
  readonly slots: readonly Float32Array[];
}

/** A model and its plan: windows in, results out. Keeps nothing between runs. */
export class Engine {
  readonly plan: ModelPlan;
  readonly #model: LoadedModel;
  readonly #constants: Readonly<Record<string, Tensor>>;
  readonly #batched: boolean;
  /** Nothing to compute before or after the model, so the tensors go through untouched. */
  readonly #plain: boolean;

  /** Throws MODEL_SHAPE when the plan does not fit the model file. */
  constructor(plan: ModelPlan, model: LoadedModel) {
    this.plan = plan;
    this.#model = model;
    checkSpecs('input', plan.inputs, model.inputs);
    checkSpecs('output', plan.outputs, model.outputs);
    this.#constants = Object.fromEntries(
      plan.constants.map((constant) => [constant.name, constantTensor(constant)]),
    );
    this.#batched = plan.batched && freeBatch(plan, model);
    this.#plain = plan.slots.length === 0 && plan.postprocess.length === 0;
  }

  /**
   * Runs a batch. Changes `windows` in place.
   * @param slots per state slot the values of all items
   */
  async run(windows: Windows, slots: Float32Array[]): Promise<BatchResult> {
    const ready = preprocess(windows, this.plan.preprocess, slots);
    if (this.#batched || ready.count === 1) return this.#once(ready, slots);
    const parts: BatchResult[] = [];
    const size = ready.rows * ready.columns;
    for (let i = 0; i < ready.count; i++) {
      const one = { ...ready, count: 1, data: ready.data.subarray(i * size, (i + 1) * size) };
      const own = slots.map((slot, s) => {
        const length = this.plan.slots[s]!.size;
        return slot.subarray(i * length, (i + 1) * length);
      });
      parts.push(await this.#once(one, own));
    }
    return joined(parts);
  }

  dispose(): Promise<void> {
    return this.#model.dispose();
  }

  async #once(windows: Windows, slots: Float32Array[]): Promise<BatchResult> {
    const { plan } = this;
    const feeds: Record<string, Tensor> = { ...this.#constants };
    const { datatype, name } = plan.window;
    this.#limit('input', name, windows.data.byteLength);
    const shape = fillShape(plan.window.shape, windows);
    feeds[name] = { datatype, shape, data: fromNumbers(windows.data, datatype) };
    plan.slots.forEach((slot, i) => {
      if (slot.pair) feeds[slot.pair.input] = gather(slot, slots[i]!, windows.count);
    });
    const outputs = await this.#model.run(feeds);
    const results = this.#results(outputs, windows.count);
    if (this.#plain) return { results, slots };
    const after = plan.slots.map((slot, i) =>
      slot.pair ? scatter(slot, outputs[slot.pair.output], windows.count) : slots[i]!,
    );
    return { results, slots: after };
  }

  #results(outputs: Readonly<Record<string, Tensor>>, items: number): Values[] {
    const { plan } = this;
    const made = new Map<string, Values>();
    for (const { output, as } of plan.exposed) {
      const tensor = outputs[output];
      if (!tensor) throw new GatewayError('MODEL_OUTPUT', `the model gave no output "${output}"`);
      this.#limit('output', output, tensor.data.length * 8);
      const data = toNumbers(tensor.data, tensor.datatype);
      if (data.length % items !== 0 || (this.#batched && items > 1 && tensor.shape[0] !== items))
        throw new GatewayError(
          'MODEL_OUTPUT',
          `output "${output}" has shape [${tensor.shape.join(', ')}] for a batch of ${items}`,
        );
      made.set(as, { data, per: data.length / items });
    }
    if (!this.#plain) {
      try {
        postprocess(made, plan.postprocess, items);
      } catch (error) {
        if (error instanceof RangeError)
          throw new GatewayError('MODEL_OUTPUT', error.message, { cause: error });
        throw error;
      }
    }
    return plan.results.map((result) => made.get(result.name)!);
  }

  #limit(side: 'input' | 'output', name: string, bytes: number): void {
    if (bytes <= this.plan.maxTensorBytes) return;
    throw new GatewayError(
      side === 'input' ? 'MODEL_SHAPE' : 'MODEL_OUTPUT',
      `${side} "${name}" takes ${bytes} bytes`,
      {
        received: bytes,
        expected: `at most limits.maxTensorBytes, ${this.plan.maxTensorBytes}`,
      },
    );
  }
}

function checkSpecs(side: string, planned: readonly TensorSpec[], actual: readonly TensorSpec[]): void {
  const known = actual.map((spec) => spec.name);
  for (const spec of planned) {
    const found = actual.find((candidate) => candidate.name === spec.name);
    const received = `${spec.datatype} [${spec.shape.join(', ')}]`;
    if (!found)
      throw new GatewayError(
        'MODEL_SHAPE',
        `the model file has no ${side} "${spec.name}", only ${known.join(', ')}`,
      );
    const fits =
      found.datatype === spec.datatype &&
      found.shape.length === spec.shape.length &&
      found.shape.every((d, i) => d === -1 || spec.shape[i] === -1 || d === spec.shape[i]);
    // Runtimes guess the shapes of outputs; what they give is checked when it comes.
    if (!fits && (side === 'input' || found.datatype !== spec.datatype))
      throw new GatewayError(
        'MODEL_SHAPE',
        `${side} "${spec.name}" is ${found.datatype} [${found.shape.join(', ')}] in the model file, ${received} in model.yaml`,
      );
  }
  if (side !== 'input') return;
  const missing = known.find((name) => !planned.some((spec) => spec.name === name));
  if (missing !== undefined)
    throw new GatewayError(
      'MODEL_SHAPE',
      `model.yaml says nothing about input "${missing}" of the model file`,
    );
}

/** Whether the model file, too, leaves the batch dimension free. */
function freeBatch(plan: ModelPlan, model: LoadedModel): boolean {
  const free = (name: string, axis: number): boolean =>
    model.inputs.find((spec) => spec.name === name)?.shape[axis] === -1;
  return (
    free(plan.window.name, 0) &&
    plan.slots.every((slot) => slot.pair === undefined || free(slot.pair.input, slot.pair.batchAxis))
  );
}

/** The shape with its free dimensions filled in for these windows. Throws MODEL_SHAPE when they do not fit. */
export function fillShape(shape: readonly number[], windows: Windows): number[] {
  const { count, rows, columns } = windows;
  const filled = [...shape];
  if (shape[0] === -1) filled[0] = count;
  const open = filled.flatMap((d, i) => (d === -1 ? [i] : []));
  const size = count * rows * columns;
  if (open.length === 1) {
    const known = filled.reduce((product, d) => (d === -1 ? product : product * d), 1);
    filled[open[0]!] = known > 0 ? size / known : 0;
  } else if (open.length === 2) {
    filled[open[0]!] = rows;
    filled[open[1]!] = columns;
  }
  const total = filled.reduce((product, d) => product * d, 1);
  if (total === size && filled.every((d) => Number.isInteger(d) && d >= 0)) return filled;
  throw new GatewayError(
    'MODEL_SHAPE',
    `a window of ${rows} rows and ${columns} columns after preprocessing does not fit [${shape.join(', ')}]`,
  );
}

/** State of all items, one after another, as one tensor with the items along its batch axis. */
function gather({ pair, size }: StateSlot, values: Float32Array, items: number): Tensor {
  const { shape, batchAxis } = pair!;
  const full = shape.map((d, i) => (i === batchAxis ? items : d));
  if (items === 1 || batchAxis === 0) return { datatype: 'FP32', shape: full, data: values };
  const inner = product(shape.slice(batchAxis + 1));
  const outer = size / inner;
  const data = new Float32Array(values.length);
  for (let item = 0; item < items; item++) {
    for (let o = 0; o < outer; o++) {
      const from = item * size + o * inner;
      data.set(values.subarray(from, from + inner), (o * items + item) * inner);
    }
  }
  return { datatype: 'FP32', shape: full, data };
}

/** The reverse of {@link gather}, for what the model gave back. */
function scatter({ pair, size, name }: StateSlot, tensor: Tensor | undefined, items: number): Float32Array {
  const { shape, batchAxis, output } = pair!;
  if (!(tensor?.data instanceof Float32Array) || tensor.data.length !== items * size)
    throw new GatewayError(
      'MODEL_OUTPUT',
      `state output "${output}" is not ${items} × ${size} FP32 values for "${name}"`,
    );
  const values = tensor.data;
  if (items === 1 || batchAxis === 0) return values;
  const inner = product(shape.slice(batchAxis + 1));
  const outer = size / inner;
  const data = new Float32Array(values.length);
  for (let item = 0; item < items; item++) {
    for (let o = 0; o < outer; o++) {
      const from = (o * items + item) * inner;
      data.set(values.subarray(from, from + inner), item * size + o * inner);
    }
  }
  return data;
}

function joined(parts: readonly BatchResult[]): BatchResult {
  const first = parts[0]!;
  const results = first.results.map(({ per }, r) => {
    const wrong = parts.find((part) => part.results[r]!.per !== per);
    if (wrong)
      throw new GatewayError('MODEL_OUTPUT', 'outputs differ in size from window to window; use maxBatch: 1');
    const data = new Float64Array(parts.length * per);
    for (const [i, part] of parts.entries()) data.set(part.results[r]!.data, i * per);
    return { data, per };
  });
  const slots = first.slots.map((slot, s) => {
    const data = new Float32Array(parts.length * slot.length);
    for (const [i, part] of parts.entries()) data.set(part.slots[s]!, i * slot.length);
    return data;
  });
  return { results, slots };
}

const product = (shape: readonly number[]): number => shape.reduce((total, d) => total * d, 1);

function constantTensor({ datatype, shape, data }: ConstantPlan): Tensor {
  return { datatype, shape, data: constantData(datatype, data) };
}

function constantData(datatype: Datatype, data: ConstantPlan['data']): Tensor['data'] {
  if (datatype === 'BYTES') return data.map(String);
  if (datatype === 'INT64') return BigInt64Array.from(data.map((value) => BigInt(value)));
  if (datatype === 'UINT64') return BigUint64Array.from(data.map((value) => BigInt(value)));
  return fromNumbers(Float64Array.from(data.map(Number)), datatype);
}
