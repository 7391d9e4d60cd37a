import protobuf from 'protobufjs';
import type { Datatype, Tensor, TensorData } from '../../gateway/ports/tensor.ts';

/** The messages of onnx.proto that tests read and write (github.com/onnx/onnx, IR version 8). */
const ONNX = protobuf.parse(
  `syntax = "proto3"; package onnx;
  message TensorProto {
    repeated int64 dims = 1; int32 data_type = 2; repeated float float_data = 4; repeated int32 int32_data = 5;
    repeated bytes string_data = 6; repeated int64 int64_data = 7; string name = 8; bytes raw_data = 9;
    repeated double double_data = 10; repeated uint64 uint64_data = 11;
  }
  message AttributeProto { string name = 1; float f = 2; int64 i = 3; GraphProto g = 6; int32 type = 20; repeated int64 ints = 8; }
  message NodeProto {
    repeated string input = 1; repeated string output = 2; string op_type = 4; repeated AttributeProto attribute = 5;
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
  message ModelProto { int64 ir_version = 1; GraphProto graph = 7; repeated OperatorSetIdProto opset_import = 8; }`,
  { keepCase: true },
).root;
const tensorProto = ONNX.lookupType('onnx.TensorProto');
const modelProto = ONNX.lookupType('onnx.ModelProto');

const FLOAT = 1;
const INT64 = 7;
const BOOL = 9;

/** Field `data_type` of TensorProto by number. */
const DATATYPES: Readonly<Record<number, Datatype>> = {
  1: 'FP32',
  2: 'UINT8',
  3: 'INT8',
  4: 'UINT16',
  5: 'INT16',
  6: 'INT32',
  7: 'INT64',
  8: 'BYTES',
  9: 'BOOL',
  10: 'FP16',
  11: 'FP64',
  12: 'UINT32',
  13: 'UINT64',
};

interface TensorMessage {
  dims: string[];
  data_type: number;
  float_data: number[];
  int32_data: number[];
  string_data: Uint8Array[];
  int64_data: string[];
  name: string;
  raw_data: Uint8Array;
  double_data: number[];
  uint64_data: string[];
}

/** An ONNX TensorProto file (`input_0.pb`) as a tensor, with its name. Throws for datatypes the port has not. */
export function readTensor(bytes: Uint8Array): { name: string; tensor: Tensor } {
  const message = tensorProto.toObject(tensorProto.decode(bytes), {
    longs: String,
    defaults: true,
    arrays: true,
  }) as TensorMessage;
  const datatype = DATATYPES[message.data_type];
  if (!datatype) throw new Error(`TensorProto data_type ${message.data_type}`);
  const data =
    message.raw_data.length > 0 ? rawData(datatype, message.raw_data) : listedData(datatype, message);
  return { name: message.name, tensor: { datatype, shape: message.dims.map(Number), data } };
}

function rawData(datatype: Datatype, raw: Uint8Array): TensorData {
  const buffer = new Uint8Array(raw).buffer;
  switch (datatype) {
    case 'FP32':
      return new Float32Array(buffer);
    case 'FP64':
      return new Float64Array(buffer);
    case 'INT8':
      return new Int8Array(buffer);
    case 'INT16':
      return new Int16Array(buffer);
    case 'UINT16':
    case 'FP16':
      return new Uint16Array(buffer);
    case 'INT32':
      return new Int32Array(buffer);
    case 'UINT32':
      return new Uint32Array(buffer);
    case 'INT64':
      return new BigInt64Array(buffer);
    case 'UINT64':
      return new BigUint64Array(buffer);
    default:
      return new Uint8Array(buffer);
  }
}

function listedData(datatype: Datatype, message: TensorMessage): TensorData {
  switch (datatype) {
    case 'FP32':
      return Float32Array.from(message.float_data);
    case 'FP64':
      return Float64Array.from(message.double_data);
    case 'INT64':
      return BigInt64Array.from(message.int64_data, BigInt);
    case 'UINT64':
      return BigUint64Array.from(message.uint64_data, BigInt);
    case 'UINT32':
      return Uint32Array.from(message.uint64_data, Number);
    case 'BYTES':
      return message.string_data.map((text) => new Uint8Array(text));
    case 'INT8':
      return Int8Array.from(message.int32_data);
    case 'INT16':
      return Int16Array.from(message.int32_data);
    case 'INT32':
      return Int32Array.from(message.int32_data);
    case 'UINT16':
    case 'FP16':
      return Uint16Array.from(message.int32_data);
    default:
      return Uint8Array.from(message.int32_data);
  }
}

type Shape = readonly (number | string)[];

const value = (name: string, shape: Shape, type = FLOAT) => ({
  name,
  type: {
    tensor_type: {
      elem_type: type,
      shape: { dim: shape.map((d) => (typeof d === 'number' ? { dim_value: d } : { dim_param: d })) },
    },
  },
});

const node = (op_type: string, input: string[], output: string[], attribute: object[] = []) => ({
  op_type,
  input,
  output,
  attribute,
});

const floats = (name: string, dims: number[], data: Float32Array) => ({
  name,
  dims,
  data_type: FLOAT,
  raw_data: new Uint8Array(data.buffer),
});

const model = (graph: object): Uint8Array =>
  modelProto
    .encode(modelProto.fromObject({ ir_version: 8, graph, opset_import: [{ domain: '', version: 17 }] }))
    .finish();

/**
 * A perceptron `input [N, sizes[0]] → output [N, last]` with ReLU between layers. Weights follow from their place, so
 * the file is always the same.
 */
export function mlpModel(sizes: readonly number[], batch: number | string = 'N'): Uint8Array {
  const nodes: object[] = [];
  const initializer: object[] = [];
  let current = 'input';
  for (let layer = 1; layer < sizes.length; layer++) {
    const [from, to] = [sizes[layer - 1]!, sizes[layer]!];
    const weights = Float32Array.from(
      { length: from * to },
      (_, i) => Math.sin(i * 1.7 + layer) / Math.sqrt(from),
    );
    const bias = Float32Array.from({ length: to }, (_, i) => Math.cos(i + layer) / 10);
    initializer.push(floats(`w${layer}`, [from, to], weights), floats(`b${layer}`, [to], bias));
    const last = layer === sizes.length - 1;
    const sum = last ? 'output' : `s${layer}`;
    nodes.push(node('Gemm', [current, `w${layer}`, `b${layer}`], [sum]));
    if (!last) nodes.push(node('Relu', [sum], [`a${layer}`]));
    current = `a${layer}`;
  }
  return model({
    name: 'mlp',
    node: nodes,
    initializer,
    input: [value('input', [batch, sizes[0]!])],
    output: [value('output', [batch, sizes.at(-1)!])],
  });
}

/**
 * `output = input + offset`, `[N, 1]`, after `factor` times as many empty loops as the largest number of the batch says:
 * 0 is at once, 1e12 never ends.
 */
export function loopingModel(factor = 1, offset = 0): Uint8Array {
  const body = {
    name: 'body',
    node: [node('Identity', ['going'], ['goes']), node('Identity', ['was'], ['is'])],
    input: [value('i', [], INT64), value('going', [], BOOL), value('was', ['N', 1])],
    output: [value('goes', [], BOOL), value('is', ['N', 1])],
  };
  return model({
    name: 'looping',
    node: [
      node('ReduceMax', ['input'], ['largest'], [{ name: 'keepdims', i: 0, type: 2 }]),
      node('Mul', ['largest', 'factor'], ['many']),
      node('Cast', ['many'], ['times'], [{ name: 'to', i: INT64, type: 2 }]),
      node('Loop', ['times', '', 'input'], ['same'], [{ name: 'body', g: body, type: 5 }]),
      node('Add', ['same', 'offset'], ['output']),
    ],
    initializer: [
      floats('factor', [1], Float32Array.of(factor)),
      floats('offset', [1], Float32Array.of(offset)),
    ],
    input: [value('input', ['N', 1])],
    output: [value('output', ['N', 1])],
  });
}

/** `y = x`, `[N]`, of any datatype. */
export function identityModel(datatype: Datatype): Uint8Array {
  const type = Number(Object.entries(DATATYPES).find(([, name]) => name === datatype)![0]);
  return model({
    name: 'identity',
    node: [node('Identity', ['x'], ['y'])],
    initializer: [],
    input: [value('x', ['N'], type)],
    output: [value('y', ['N'], type)],
  });
}

/** `sum = a + b` and `product = a × b`, all `[N, columns]`. */
export function pairModel(columns: number): Uint8Array {
  const shape = ['N', columns];
  return model({
    name: 'pair',
    node: [node('Add', ['a', 'b'], ['sum']), node('Mul', ['a', 'b'], ['product'])],
    initializer: [],
    input: [value('a', shape), value('b', shape)],
    output: [value('sum', shape), value('product', shape)],
  });
}

/** `output [N, 1]` is the entry of `table` at each `index [N, 1]` (INT64); an index that it has not fails the whole run. */
export function tableModel(table: readonly number[]): Uint8Array {
  return model({
    name: 'table',
    node: [node('Gather', ['table', 'index'], ['output'])],
    initializer: [floats('table', [table.length], Float32Array.from(table))],
    input: [value('index', ['N', 1], INT64)],
    output: [value('output', ['N', 1])],
  });
}

/** `output` is zeros, as many as the one number of `input` `[1]` says: a small input that asks for much memory. */
export function expandingModel(): Uint8Array {
  return model({
    name: 'expanding',
    node: [
      node('Cast', ['input'], ['length'], [{ name: 'to', i: INT64, type: 2 }]),
      node('ConstantOfShape', ['length'], ['output']),
    ],
    initializer: [],
    input: [value('input', [1])],
    output: [value('output', ['n'])],
  });
}

/** `centred = x - mean of x over dimension 0`, all `[N, columns]`: what a row gives depends on the others. */
export function centringModel(columns: number): Uint8Array {
  const shape = ['N', columns];
  return model({
    name: 'centring',
    node: [
      node('ReduceMean', ['x'], ['mean'], [{ name: 'axes', ints: [0], type: 7 }]),
      node('Sub', ['x', 'mean'], ['centred']),
    ],
    initializer: [],
    input: [value('x', shape)],
    output: [value('centred', shape)],
  });
}

/** Recurrent: `next = x + before` and `output = next × factor`, all `[N, 1]`. */
export function summingModel(factor: number): Uint8Array {
  const shape = ['N', 1];
  return model({
    name: 'summing',
    node: [node('Add', ['x', 'before'], ['next']), node('Mul', ['next', 'factor'], ['output'])],
    initializer: [floats('factor', [1], Float32Array.of(factor))],
    input: [value('x', shape), value('before', shape)],
    output: [value('output', shape), value('next', shape)],
  });
}
