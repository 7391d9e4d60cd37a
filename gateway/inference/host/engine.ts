import { GatewayError } from '../../errors.ts';
import type { LoadedModel } from '../../ports/model-runner.ts';
import type { Datatype, Tensor, TensorSpec } from '../../ports/tensor.ts';
import type { ConstantPlan, ModelPlan, StateSlot } from '../plan.ts';
import { joinTensors, rowsOf } from '../rows.ts';
import { fillShape } from '../shapes.ts';
import { dataBytes, elements } from '../tensor-data.ts';
import { fromNumbers, toNumbers } from './cast.ts';
import { postprocess, type Values } from './postprocess.ts';
import { preprocess } from './preprocess.ts';

export interface BatchResult {
  /** One entry per result of the plan, in its order; labels and booleans as numbers. */
  readonly results: readonly Tensor[];
  /** One entry per state slot, the values of all items. */
  readonly slots: readonly Float32Array[];
}

/** A model and its plan: the tensors of its face in, results out. Keeps nothing between runs. */
export class Engine {
  readonly plan: ModelPlan;
  /** Milliseconds of the last run; unknown before the first. */
  lastMs = Number.POSITIVE_INFINITY;
  readonly #model: LoadedModel;
  readonly #constants: Readonly<Record<string, Tensor>>;
  readonly #batched: boolean;

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
  }

  /**
   * Runs a batch. May change the data of a window in place.
   * @param given one tensor per input of the plan's face, in its order; all items along dimension 0
   * @param count items
   * @param slots per state slot the values of all items; entries may be replaced
   */
  run(given: readonly Tensor[], count: number, slots: Float32Array[]): Promise<BatchResult> | BatchResult {
    if (this.#batched || count === 1) return this.#once(given, count, slots);
    return this.#oneByOne(given, count, slots);
  }

  async #oneByOne(given: readonly Tensor[], count: number, slots: Float32Array[]): Promise<BatchResult> {
    const parts: BatchResult[] = [];
    for (let i = 0; i < count; i++) {
      const own = slots.map((slot, s) => {
        const length = this.plan.slots[s]!.size;
        return slot.subarray(i * length, (i + 1) * length);
      });
      parts.push(
        await this.#once(
          given.map((tensor) => rowsOf(tensor, i, i + 1)),
          1,
          own,
        ),
      );
    }
    return joined(parts);
  }

  dispose(): Promise<void> {
    return this.#model.dispose();
  }

  #once(given: readonly Tensor[], count: number, slots: Float32Array[]): Promise<BatchResult> | BatchResult {
    const { plan } = this;
    const feeds: Record<string, Tensor> = { ...this.#constants };
    for (let i = 0; i < given.length; i++) {
      const { name, from } = plan.face[i]!;
      const tensor = from === 'window' ? this.#window(given[i]!, count, slots) : given[i]!;
      this.#limit('input', name, dataBytes(tensor.data));
      feeds[name] = tensor;
    }
    for (let i = 0; i < slots.length; i++) {
      const slot = plan.slots[i]!;
      if (slot.pair) feeds[slot.pair.input] = gather(slot, slots[i]!, count);
    }
    const model = this.#model;
    if (model.runNow) return this.#result(model.runNow(feeds), count, slots);
    return model.run(feeds).then((outputs) => this.#result(outputs, count, slots));
  }

  #result(
    outputs: Readonly<Record<string, Tensor>>,
    count: number,
    slots: readonly Float32Array[],
  ): BatchResult {
    const { plan } = this;
    const results = this.#results(outputs, count);
    if (slots.length === 0) return { results, slots };
    const after = plan.slots.map((slot, i) =>
      slot.pair ? scatter(slot, outputs[slot.pair.output], count) : slots[i]!,
    );
    return { results, slots: after };
  }

  /** The model's own input that windows become. */
  #window(given: Tensor, count: number, slots: Float32Array[]): Tensor {
    const { preprocess: steps, window } = this.plan;
    const { datatype, shape } = window!;
    if (steps.length === 0) {
      if (given.datatype === datatype) return given;
      const data = fromNumbers(toNumbers(given.data, given.datatype), datatype);
      return { datatype, shape: given.shape, data };
    }
    const [, rows, columns] = given.shape as [number, number, number];
    const windows = { data: toNumbers(given.data, given.datatype), count, rows, columns };
    const ready = preprocess(windows, steps, slots);
    return { datatype, shape: fillShape(shape, ready), data: fromNumbers(ready.data, datatype) };
  }

  #results(outputs: Readonly<Record<string, Tensor>>, items: number): Tensor[] {
    const { plan } = this;
    for (const { output } of plan.exposed) {
      const tensor = outputs[output];
      if (!tensor) throw new GatewayError('MODEL_OUTPUT', `the model gave no output "${output}"`);
      this.#limit('output', output, dataBytes(tensor.data));
      if (items > 1 && (tensor.shape[0] !== items || tensor.data.length % items !== 0))
        throw new GatewayError(
          'MODEL_OUTPUT',
          `output "${output}" has shape [${tensor.shape.join(', ')}] for a batch of ${items}`,
        );
    }
    if (plan.postprocess.length === 0) return plan.results.map(({ source }) => outputs[source!]!);
    const made = new Map<string, Values>();
    for (const { output, as } of plan.exposed) {
      const { data, datatype } = outputs[output]!;
      if (datatype !== 'BYTES') made.set(as, { data: toNumbers(data, datatype), per: data.length / items });
    }
    try {
      postprocess(made, plan.postprocess, items);
    } catch (error) {
      if (error instanceof RangeError)
        throw new GatewayError('MODEL_OUTPUT', error.message, { cause: error });
      throw error;
    }
    return plan.results.map(({ name, source, shape }) => {
      if (source !== undefined) return outputs[source]!;
      const { data, per } = made.get(name)!;
      return {
        datatype: data instanceof Float32Array ? 'FP32' : 'FP64',
        shape: resultShape(shape, items, per),
        data,
      };
    });
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

/** The declared shape where it fits `items × per` values, else `[items, per]`. */
function resultShape(declared: readonly number[], items: number, per: number): number[] {
  const shape = declared.map((d, i) => (d === -1 && i === 0 ? items : d));
  const open = shape.indexOf(-1);
  if (open >= 0) shape[open] = (items * per) / Math.max(1, -elements(shape));
  return elements(shape) === items * per && shape.every(Number.isInteger) ? shape : [items, per];
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
    plan.face.every((input) => free(input.name, 0)) &&
    plan.slots.every((slot) => slot.pair === undefined || free(slot.pair.input, slot.pair.batchAxis))
  );
}

/** State of all items, one after another, as one tensor with the items along its batch axis. */
function gather({ pair, size }: StateSlot, values: Float32Array, items: number): Tensor {
  const { shape, batchAxis } = pair!;
  const full = shape.map((d, i) => (i === batchAxis ? items : d));
  if (items === 1 || batchAxis === 0) return { datatype: 'FP32', shape: full, data: values };
  const inner = elements(shape.slice(batchAxis + 1));
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
  const inner = elements(shape.slice(batchAxis + 1));
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
  return {
    results: first.results.map((_, r) => joinTensors(parts.map((part) => part.results[r]!))),
    slots: first.slots.map((slot, s) => {
      const data = new Float32Array(parts.length * slot.length);
      for (const [i, part] of parts.entries()) data.set(part.slots[s]!, i * slot.length);
      return data;
    }),
  };
}

function constantTensor({ datatype, shape, data }: ConstantPlan): Tensor {
  return { datatype, shape, data: constantData(datatype, data) };
}

function constantData(datatype: Datatype, data: ConstantPlan['data']): Tensor['data'] {
  if (datatype === 'BYTES') return data.map((text) => new TextEncoder().encode(String(text)));
  if (datatype === 'INT64') return BigInt64Array.from(data.map((value) => BigInt(value)));
  if (datatype === 'UINT64') return BigUint64Array.from(data.map((value) => BigInt(value)));
  return fromNumbers(Float64Array.from(data.map(Number)), datatype);
}
