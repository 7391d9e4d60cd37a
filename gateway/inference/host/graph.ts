import { asGatewayError, type ErrorCode, GatewayError } from '../../errors.ts';
import type { LoadedModel } from '../../ports/model-runner.ts';
import type { Tensor, TensorSpec } from '../../ports/tensor.ts';
import type { GraphPlan, NodePlan, SourcePlan } from '../graph/plan.ts';
import { makeTransform } from './transforms/index.ts';
import type { TensorType, Transform } from './transforms/transform.ts';

/** Loads a model file of the bundle. */
export type LoadFile = (runtime: string, file: string) => Promise<LoadedModel>;

/** A node ready to run: where its inputs lie among all values, and where its outputs go. */
interface Step {
  readonly name: string;
  readonly from: readonly number[];
  readonly to: number;
  run(inputs: readonly Tensor[]): readonly Tensor[] | Promise<readonly Tensor[]>;
}

/** A value of the graph while it is put together. */
interface Slot {
  readonly place: number;
  readonly type: TensorType;
}

/**
 * Several models and transforms as one model: its inputs and outputs are those of the bundle. All types are checked
 * here, so that what loads fits together; errors name the node and the key.
 */
export async function loadGraph(
  plan: GraphPlan,
  inputs: readonly TensorSpec[],
  load: LoadFile,
): Promise<LoadedModel> {
  const assembly = new Assembly(inputs);
  try {
    for (const node of plan.nodes) await assembly.add(node, load);
    return assembly.finish(plan);
  } catch (error) {
    await assembly.dispose();
    throw error;
  }
}

class Assembly {
  readonly #inputs: readonly TensorSpec[];
  readonly #slots = new Map<string, Slot>();
  /** Outputs of each node in their order. */
  readonly #outputs = new Map<string, readonly string[]>();
  readonly #steps: Step[] = [];
  readonly #models: LoadedModel[] = [];
  #single = false;
  #places = 0;

  constructor(inputs: readonly TensorSpec[]) {
    this.#inputs = inputs;
    for (const spec of inputs) this.#slot(null, spec.name, spec);
  }

  async add(node: NodePlan, load: LoadFile): Promise<void> {
    try {
      if (node.kind === 'model') await this.#addModel(node, load);
      else {
        const sources = node.inputs.map((source, i) => this.#find(source, `inputs[${i}]`));
        const transform = await makeTransform(
          node.params,
          sources.map(({ type }) => type),
        );
        this.#single ||= transform.single ?? false;
        this.#addStep(node.name, sources, transform.outputs, (tensors) => transform.run(tensors));
      }
    } catch (error) {
      throw inNode(node.name, error, 'MODEL_LOAD');
    }
  }

  finish(plan: GraphPlan): LoadedModel {
    const wanted = plan.outputs.map((output, i) => ({
      name: output.name,
      ...this.#find(output, `outputs[${i}].name`),
    }));
    const steps = this.#steps;
    const places = this.#places;
    const names = this.#inputs.map(({ name }) => name);
    return {
      // A graph that takes one item at a time says so in its batch dimension.
      inputs: this.#inputs.map((spec) =>
        this.#single && spec.shape[0] === -1 ? { ...spec, shape: [1, ...spec.shape.slice(1)] } : spec,
      ),
      outputs: wanted.map(({ name, type }) => ({ name, datatype: type.datatype, shape: type.shape })),
      async run(given) {
        const values = new Array<Tensor>(places);
        for (let i = 0; i < names.length; i++) {
          const tensor = given[names[i]!];
          if (!tensor) throw new GatewayError('MODEL_SHAPE', `there is no input "${names[i]}"`);
          values[i] = tensor;
        }
        for (const step of steps) {
          try {
            const made = step.run(step.from.map((place) => values[place]!));
            const tensors = made instanceof Promise ? await made : made;
            for (let i = 0; i < tensors.length; i++) values[step.to + i] = tensors[i]!;
          } catch (error) {
            throw inNode(step.name, error, 'MODEL_RUN');
          }
        }
        return Object.fromEntries(wanted.map(({ name, place }) => [name, values[place]!]));
      },
      dispose: () => this.dispose(),
    };
  }

  async dispose(): Promise<void> {
    for (const model of this.#models.splice(0)) await model.dispose();
  }

  async #addModel(node: Extract<NodePlan, { kind: 'model' }>, load: LoadFile): Promise<void> {
    const model = await load(node.runtime, node.file);
    this.#models.push(model);
    const slots = Object.keys(node.inputs);
    const unknown = slots.find((slot) => !model.inputs.some((spec) => spec.name === slot));
    const known = model.inputs.map((spec) => spec.name).join(', ');
    if (unknown !== undefined)
      throw new GatewayError('MODEL_SHAPE', `inputs.${unknown}: the model file has only ${known}`);
    const missing = model.inputs.find((spec) => !slots.includes(spec.name));
    if (missing)
      throw new GatewayError(
        'MODEL_SHAPE',
        `inputs.${missing.name}: an input of the model file that gets nothing`,
      );
    const sources = slots.map((slot) => {
      const source = this.#find(node.inputs[slot]!, `inputs.${slot}`);
      this.#fit(slot, source.type, model.inputs.find((spec) => spec.name === slot)!);
      return source;
    });
    const order = model.outputs.map((spec) => spec.name);
    this.#addStep(node.name, sources, model.outputs, async (tensors) => {
      const feeds: Record<string, Tensor> = {};
      for (let i = 0; i < slots.length; i++) feeds[slots[i]!] = tensors[i]!;
      const made = await model.run(feeds);
      return order.map((name) => made[name]!);
    });
  }

  /** Throws unless a value fits an input of a model; a model for one item makes the whole graph one. */
  #fit(slot: string, found: TensorType, wanted: TensorSpec): void {
    const fits =
      found.datatype === wanted.datatype &&
      found.shape.length === wanted.shape.length &&
      found.shape.every((d, i) => d === -1 || wanted.shape[i] === -1 || d === wanted.shape[i]);
    if (!fits)
      throw new GatewayError(
        'MODEL_SHAPE',
        `inputs.${slot}: the model file wants ${wanted.datatype} [${wanted.shape.join(', ')}], it gets ${found.datatype} [${found.shape.join(', ')}]`,
      );
    if (found.shape[0] === -1 && wanted.shape[0] === 1) this.#single = true;
  }

  #addStep(
    name: string,
    sources: readonly Slot[],
    outputs: readonly (TensorType & { readonly name: string })[],
    run: Transform['run'],
  ): void {
    const to = this.#places;
    for (const output of outputs) this.#slot(name, output.name, output);
    this.#outputs.set(
      name,
      outputs.map((output) => output.name),
    );
    this.#steps.push({ name, from: sources.map(({ place }) => place), to, run });
  }

  #slot(node: string | null, output: string, type: TensorType): void {
    const { datatype, shape } = type;
    this.#slots.set(keyOf(node, output), { place: this.#places++, type: { datatype, shape } });
  }

  #find({ node, output }: SourcePlan, key: string): Slot {
    const outputs = node === null ? undefined : this.#outputs.get(node);
    const slot = this.#slots.get(keyOf(node, output ?? outputs?.[0] ?? ''));
    if (slot) return slot;
    throw new GatewayError(
      'MODEL_SHAPE',
      `${key}: "${node ?? ''}" has no output "${output ?? ''}", only ${outputs?.join(', ') ?? 'none'}`,
    );
  }
}

const keyOf = (node: string | null, output: string): string =>
  node === null ? `\0${output}` : `${node}\0${output}`;

/** The error with the node in front; what is not coded yet gets `code`. */
function inNode(node: string, error: unknown, code: ErrorCode): GatewayError {
  const found = asGatewayError(error);
  const known = error instanceof GatewayError;
  return new GatewayError(known ? found.code : code, `graph node "${node}": ${found.message}`, {
    received: found.received,
    ...(found.expected === undefined ? {} : { expected: found.expected }),
    ...(known ? { fix: found.fix } : {}),
    cause: error,
  });
}
