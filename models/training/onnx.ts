import protobuf from 'protobufjs';

/**
 * Writes ONNX files: the few messages of onnx.proto that a feed-forward graph needs
 * (github.com/onnx/onnx, onnx/onnx.proto, IR version 8).
 */
const ONNX_PROTO = `
syntax = "proto3";
package onnx;
message AttributeProto {
  string name = 1; float f = 2; int64 i = 3; bytes s = 4; TensorProto t = 5;
  repeated float floats = 7; repeated int64 ints = 8; int32 type = 20;
}
message TensorProto { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
message NodeProto {
  repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4;
  repeated AttributeProto attribute = 5;
}
message Dimension { oneof value { int64 dim_value = 1; string dim_param = 2; } }
message Shape { repeated Dimension dim = 1; }
message TensorType { int32 elem_type = 1; Shape shape = 2; }
message TypeProto { TensorType tensor_type = 1; }
message ValueInfoProto { string name = 1; TypeProto type = 2; }
message GraphProto {
  repeated NodeProto node = 1; string name = 2; repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12;
}
message OperatorSetIdProto { string domain = 1; int64 version = 2; }
message StringStringEntryProto { string key = 1; string value = 2; }
message ModelProto {
  int64 ir_version = 1; string producer_name = 2; string producer_version = 3; GraphProto graph = 7;
  repeated OperatorSetIdProto opset_import = 8; repeated StringStringEntryProto metadata_props = 14;
}`;

const modelProto = protobuf.parse(ONNX_PROTO, { keepCase: true }).root.lookupType('onnx.ModelProto');

const FLOAT = 1;
const INT64 = 7;
const OPSET = 17;

/** Attribute types of onnx.AttributeProto. */
type Attribute = number | readonly number[] | { readonly float: number };

interface Node {
  readonly op_type: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name: string;
  readonly attribute: readonly object[];
}

/** A graph under construction. Values are named by the strings its methods return. */
export class OnnxGraph {
  private readonly nodes: Node[] = [];
  private readonly initializers: object[] = [];
  private readonly inputs: object[] = [];
  private readonly outputs: object[] = [];
  private count = 0;

  /** A float input; strings in `shape` are free dimensions. */
  input(name: string, shape: readonly (number | string)[]): string {
    this.inputs.push(valueInfo(name, shape));
    return name;
  }

  /** Names `value` as a float output. */
  output(name: string, value: string, shape: readonly (number | string)[]): void {
    this.nodes.push({
      op_type: 'Identity',
      input: [value],
      output: [name],
      name: `out_${name}`,
      attribute: [],
    });
    this.outputs.push(valueInfo(name, shape));
  }

  /** A float constant, row-major. */
  floats(values: ArrayLike<number>, shape: readonly number[]): string {
    const data = Float32Array.from(values);
    return this.constant(FLOAT, new Uint8Array(data.buffer), shape);
  }

  /** An int64 constant; a scalar when `shape` is empty. */
  integers(values: readonly number[], shape: readonly number[] = [values.length]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.constant(INT64, new Uint8Array(data.buffer), shape);
  }

  /** One operator with one output. */
  node(op: string, input: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = `v${this.count++}`;
    const attribute = Object.entries(attributes).map(([name, value]) => {
      if (typeof value === 'number') return { name, i: value, type: 2 };
      if (Array.isArray(value)) return { name, ints: value, type: 7 };
      return { name, f: (value as { float: number }).float, type: 1 };
    });
    this.nodes.push({ op_type: op, input, output: [output], name: `${op}_${this.count}`, attribute });
    return output;
  }

  /** x · w + b with w of shape `[rows, columns]`. */
  dense(x: string, layer: DenseWeights): string {
    const w = this.floats(layer.kernel, [layer.rows, layer.columns]);
    const b = this.floats(layer.bias, [layer.columns]);
    const sum = this.node('Gemm', [x, w, b]);
    return layer.activation === 'linear' ? sum : this.activate(sum, layer.activation);
  }

  private activate(x: string, activation: 'relu' | 'tanh' | 'sigmoid' | 'softmax'): string {
    if (activation === 'softmax') return this.node('Softmax', [x], { axis: -1 });
    return this.node({ relu: 'Relu', tanh: 'Tanh', sigmoid: 'Sigmoid' }[activation], [x]);
  }

  /** The file's bytes. */
  encode(name: string, metadata: Readonly<Record<string, string>>): Uint8Array {
    const message = modelProto.fromObject({
      ir_version: 8,
      producer_name: 'aimx-gateway',
      opset_import: [{ domain: '', version: OPSET }],
      metadata_props: Object.entries(metadata).map(([key, value]) => ({ key, value })),
      graph: {
        name,
        node: this.nodes,
        initializer: this.initializers,
        input: this.inputs,
        output: this.outputs,
      },
    });
    return modelProto.encode(message).finish();
  }

  private constant(type: number, raw: Uint8Array, shape: readonly number[]): string {
    const name = `c${this.count++}`;
    this.initializers.push({ name, dims: shape, data_type: type, raw_data: raw });
    return name;
  }
}

/** Weights of one dense layer, `kernel` row-major `[rows, columns]`. */
export interface DenseWeights {
  readonly kernel: Float32Array;
  readonly bias: Float32Array;
  readonly rows: number;
  readonly columns: number;
  readonly activation: 'linear' | 'relu' | 'tanh' | 'sigmoid' | 'softmax';
}

function valueInfo(name: string, shape: readonly (number | string)[]): object {
  const dim = shape.map((d) => (typeof d === 'string' ? { dim_param: d } : { dim_value: d }));
  return { name, type: { tensor_type: { elem_type: FLOAT, shape: { dim } } } };
}
