/** Values of messages as tensors of the Open Inference Protocol v2 and back, by the metadata of a model. Pure. */

/** An input or output as the model declares it; −1 is a dimension of any size. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

export interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  /** Flat, row by row; of BYTES texts and buffers. */
  readonly data: readonly unknown[];
}

/** Flattened numbers with the dimensions they were nested in. */
interface Flat {
  readonly dims: readonly number[];
  readonly data: readonly unknown[];
}

const MAX_ELEMENTS = 16_000_000;

const product = (shape: readonly number[]): number => shape.reduce((all, one) => all * one, 1);
const text = (shape: readonly number[]): string => `[${shape.map((n) => (n < 0 ? 'any' : n)).join(', ')}]`;

/**
 * A value as the tensor that a model asks for: a number, a list, lists of lists, a typed array, a text or a buffer.
 * A missing batch dimension is added; a flat list is folded into the shape if there is one way to do it.
 * @throws RangeError that says what was expected
 */
export function tensorOf(spec: TensorSpec, value: unknown): Tensor {
  const { dims, data } = flatten(value, spec);
  return { name: spec.name, datatype: spec.datatype, shape: shapeFor(spec, dims, data.length), data };
}

function shapeFor(spec: TensorSpec, dims: readonly number[], count: number): number[] {
  const { shape, name } = spec;
  const fits = (given: readonly number[]): boolean =>
    given.length === shape.length && shape.every((size, i) => size < 0 || size === given[i]);
  if (fits(dims)) return [...dims];
  if (fits([1, ...dims])) return [1, ...dims];
  const open = shape.flatMap((size, i) => (size < 0 ? [i] : []));
  // Flat: the batch dimension takes what the others leave; of two open ones the first is a batch of one.
  const folded = [...shape];
  if (dims.length <= 1) {
    if (open.length > 1 && open[0] === 0) folded[0] = 1;
    const last = folded.indexOf(-1);
    if (last >= 0) folded[last] = count / product(folded.filter((size) => size >= 0));
    if (folded.every((size) => Number.isInteger(size) && size >= 0) && product(folded) === count)
      return folded;
  }
  throw new RangeError(
    `input "${name}" takes ${text(shape)}, the message has ${text(dims.length ? dims : [1])}`,
  );
}

function flatten(value: unknown, { name, datatype }: TensorSpec): Flat {
  if (Buffer.isBuffer(value) && datatype === 'BYTES') return { dims: [], data: [value] };
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const data = Array.from(value as unknown as ArrayLike<number | bigint>, Number);
    return { dims: [data.length], data };
  }
  if (!Array.isArray(value)) return { dims: [], data: [scalar(value, name, datatype)] };
  const dims: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = level[0]) dims.push(level.length);
  if (product(dims) > MAX_ELEMENTS)
    throw new RangeError(`input "${name}" has more than ${MAX_ELEMENTS} values`);
  const data: unknown[] = [];
  const walk = (list: readonly unknown[], depth: number): void => {
    if (list.length !== dims[depth]) throw new RangeError(`input "${name}": rows are not equally long`);
    for (const item of list) {
      const deeper = depth + 1 < dims.length;
      if (deeper !== Array.isArray(item)) throw new RangeError(`input "${name}": rows are not equally deep`);
      if (deeper) walk(item as unknown[], depth + 1);
      else data.push(scalar(item, name, datatype));
    }
  };
  walk(value, 0);
  return { dims, data };
}

function scalar(value: unknown, name: string, datatype: string): unknown {
  if (datatype === 'BYTES') {
    if (typeof value === 'string' || Buffer.isBuffer(value)) return value;
    throw new RangeError(`input "${name}" takes texts or buffers`);
  }
  if (datatype === 'BOOL' && typeof value === 'boolean') return value;
  const number = typeof value === 'boolean' ? Number(value) : value;
  if (typeof number === 'number' && !Number.isNaN(number)) return number;
  if (typeof number === 'string' && number.trim() !== '' && Number.isFinite(Number(number)))
    return Number(number);
  throw new RangeError(
    `input "${name}" takes ${datatype}, the message has ${JSON.stringify(value) ?? typeof value}`,
  );
}

/**
 * All inputs of a model from a payload: an object with a member for each input, or the value itself where the model has
 * one input. Members of the names of the inputs win over a payload that is the value.
 * @throws RangeError
 */
export function inputsOf(specs: readonly TensorSpec[], payload: unknown): Tensor[] {
  const isObject =
    typeof payload === 'object' &&
    payload !== null &&
    !Array.isArray(payload) &&
    !ArrayBuffer.isView(payload);
  const members = (isObject ? payload : {}) as Readonly<Record<string, unknown>>;
  return specs.map((spec) => {
    if (Object.hasOwn(members, spec.name)) return tensorOf(spec, members[spec.name]);
    if (specs.length === 1 && !isObject) return tensorOf(spec, payload);
    throw new RangeError(`the message has no value for input "${spec.name}"`);
  });
}

/** Whether requests of a model may share one: each tensor has a batch dimension, and nothing is kept between them. */
export const canBatch = (specs: readonly TensorSpec[]): boolean =>
  specs.length > 0 && specs.every(({ shape }) => shape[0] === -1);

/** Requests whose tensors agree but for the batch dimension may become one. */
export const batchKey = (inputs: readonly Tensor[]): string =>
  inputs.map(({ name, datatype, shape }) => `${name}:${datatype}:${shape.slice(1)}`).join(';');

/** One request for several, in order along the first dimension. */
export function joined(requests: readonly (readonly Tensor[])[]): Tensor[] {
  return requests[0]!.map((first, i) => ({
    ...first,
    shape: [requests.reduce((sum, inputs) => sum + inputs[i]!.shape[0]!, 0), ...first.shape.slice(1)],
    data: requests.flatMap((inputs) => inputs[i]!.data),
  }));
}

/** The rows of an answer that belong to one of the requests that were joined. */
export function rowsOf(outputs: readonly Tensor[], from: number, rows: number, total: number): Tensor[] {
  return outputs.map((output) => {
    if (output.shape[0] !== total) return output;
    const each = output.data.length / total;
    return {
      ...output,
      shape: [rows, ...output.shape.slice(1)],
      data: output.data.slice(from * each, (from + rows) * each),
    };
  });
}

/**
 * Outputs as they are pleasant in a flow: by name, without a batch dimension of one, a single value as itself, more as
 * lists of lists.
 */
export function valuesOf(outputs: readonly Tensor[]): Record<string, unknown> {
  return Object.fromEntries(
    outputs.map(({ name, shape, data }) => {
      if (data.length === 1) return [name, data[0]];
      return [name, nested(data, shape[0] === 1 && shape.length > 1 ? shape.slice(1) : shape)];
    }),
  );
}

/** Trailing dimensions of one carry nothing in lists of values. */
function nested(data: readonly unknown[], shape: readonly number[]): unknown {
  let end = shape.length;
  while (end > 1 && shape[end - 1] === 1) end--;
  const fold = (depth: number, from: number, count: number): unknown[] => {
    if (depth === end - 1) return data.slice(from, from + count);
    const each = count / shape[depth]!;
    return Array.from({ length: shape[depth]! }, (_, i) => fold(depth + 1, from + i * each, each));
  };
  return shape.length === 0 ? data : fold(0, 0, data.length);
}
