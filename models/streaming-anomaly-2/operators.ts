import type { OnnxGraph } from '../training/onnx.ts';

const FLOAT = 1;

/** A constant or the name of a value. */
type Operand = string | number;

/** Short names for the operators that the detector is made of. Numbers become constants, made once each. */
export class Operators {
  readonly #graph: OnnxGraph;
  readonly #scalars = new Map<number, string>();
  readonly #integers = new Map<string, string>();

  constructor(graph: OnnxGraph) {
    this.#graph = graph;
  }

  scalar(value: number): string {
    const known = this.#scalars.get(value) ?? this.#graph.floats([value], [1]);
    this.#scalars.set(value, known);
    return known;
  }

  floats(values: ArrayLike<number>, shape: readonly number[]): string {
    return this.#graph.floats(values, shape);
  }

  add = (a: string, b: Operand): string => this.#two('Add', a, b);
  sub = (a: string, b: Operand): string => this.#two('Sub', a, b);
  mul = (a: string, b: Operand): string => this.#two('Mul', a, b);
  div = (a: string, b: Operand): string => this.#two('Div', a, b);
  min = (a: string, b: Operand): string => this.#two('Min', a, b);
  max = (a: string, b: Operand): string => this.#two('Max', a, b);
  less = (a: string, b: Operand): string => this.#two('Less', a, b);
  greater = (a: string, b: Operand): string => this.#two('Greater', a, b);
  both = (a: string, b: string): string => this.#graph.node('And', [a, b]);
  matmul = (a: string, b: string): string => this.#graph.node('MatMul', [a, b]);

  sqrt = (x: string): string => this.#graph.node('Sqrt', [x]);
  abs = (x: string): string => this.#graph.node('Abs', [x]);
  log = (x: string): string => this.#graph.node('Log', [x]);
  exp = (x: string): string => this.#graph.node('Exp', [x]);
  floor = (x: string): string => this.#graph.node('Floor', [x]);
  negative = (x: string): string => this.#graph.node('Neg', [x]);
  asFloat = (x: string): string => this.#graph.node('Cast', [x], { to: FLOAT });

  clip(x: string, low: number, high: number): string {
    return this.#graph.node('Clip', [x, this.#graph.floats([low], []), this.#graph.floats([high], [])]);
  }

  where(condition: string, yes: string, no: string): string {
    return this.#graph.node('Where', [condition, yes, no]);
  }

  /** Remainder of whole, positive numbers. */
  modulo(a: string, b: number): string {
    return this.#graph.node('Mod', [a, this.scalar(b)], { fmod: 1 });
  }

  mean(x: string, axis: number, keep = true): string {
    return this.#graph.node('ReduceMean', [x], { axes: [axis], keepdims: keep ? 1 : 0 });
  }

  least(x: string, axis: number, keep = false): string {
    return this.#graph.node('ReduceMin', [x], { axes: [axis], keepdims: keep ? 1 : 0 });
  }

  /** A zero in `shape` keeps the dimension. */
  reshape(x: string, shape: readonly number[]): string {
    return this.#graph.node('Reshape', [x, this.#ints(shape)]);
  }

  concat(parts: readonly string[], axis = 1): string {
    return parts.length === 1 ? parts[0]! : this.#graph.node('Concat', parts, { axis });
  }

  /** Along the second axis. */
  slice(x: string, from: number, to: number): string {
    return this.#graph.node('Slice', [x, this.#ints([from]), this.#ints([to]), this.#ints([1])]);
  }

  column(x: string, at: number): string {
    return this.slice(x, at, at + 1);
  }

  columns(x: string, count: number): string[] {
    return Array.from({ length: count }, (_, at) => this.column(x, at));
  }

  /** Of `[N, count, size]`, each `[N, size]`. */
  rows(x: string, count: number): string[] {
    return Array.from({ length: count }, (_, at) =>
      this.#graph.node('Squeeze', [this.column(x, at), this.#ints([1])]),
    );
  }

  /** `[N, 1, K]` as `[N, size, K − size + 1]` with element (i, j) the (i + j)th: a convolution with unit kernels. */
  unfold(x: string, size: number): string {
    if (size === 1) return x;
    const unit = Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
    return this.#graph.node('Conv', [x, this.#graph.floats(unit, [size, 1, size])]);
  }

  #two(operator: string, a: string, b: Operand): string {
    return this.#graph.node(operator, [a, typeof b === 'number' ? this.scalar(b) : b]);
  }

  #ints(values: readonly number[]): string {
    const key = values.join();
    const known = this.#integers.get(key) ?? this.#graph.integers(values);
    this.#integers.set(key, known);
    return known;
  }
}
