import type { Datatype, Tensor, TensorData } from '../../gateway/ports/tensor.ts';

/** A client's side of the protocol, written apart from the gateway's: plain loops, one element at a time. */

export const NUMERIC = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
] as const satisfies readonly Datatype[];

const SIZE: Readonly<Record<string, number>> = {
  ...{ BOOL: 1, UINT8: 1, INT8: 1, UINT16: 2, INT16: 2, FP16: 2 },
  ...{ UINT32: 4, INT32: 4, FP32: 4, UINT64: 8, INT64: 8, FP64: 8 },
};

export type Element = number | bigint | boolean | string | Uint8Array;

/** How each datatype is written. */
const PUT: Readonly<Record<string, (view: DataView, at: number, value: number, wide: bigint) => void>> = {
  BOOL: (view, at, value) => view.setUint8(at, value),
  UINT8: (view, at, value) => view.setUint8(at, value),
  UINT16: (view, at, value) => view.setUint16(at, value, true),
  UINT32: (view, at, value) => view.setUint32(at, value, true),
  UINT64: (view, at, _value, wide) => view.setBigUint64(at, wide, true),
  INT8: (view, at, value) => view.setInt8(at, value),
  INT16: (view, at, value) => view.setInt16(at, value, true),
  INT32: (view, at, value) => view.setInt32(at, value, true),
  INT64: (view, at, _value, wide) => view.setBigInt64(at, wide, true),
  FP16: (view, at, value) => view.setFloat16(at, value, true),
  FP32: (view, at, value) => view.setFloat32(at, value, true),
  FP64: (view, at, value) => view.setFloat64(at, value, true),
};

/** The bytes of the binary tensor data extension. */
export function binaryOf(datatype: Datatype, elements: readonly Element[]): Buffer {
  if (datatype === 'BYTES') {
    return Buffer.concat(
      elements.flatMap((element) => {
        const bytes = Buffer.from(element as string);
        const length = Buffer.alloc(4);
        length.writeUInt32LE(bytes.length);
        return [length, bytes];
      }),
    );
  }
  const size = SIZE[datatype]!;
  const view = new DataView(new ArrayBuffer(size * elements.length));
  elements.forEach((element, i) => {
    PUT[datatype]!(view, i * size, Number(element), typeof element === 'bigint' ? element : 0n);
  });
  return Buffer.from(view.buffer);
}

/** One element as JSON text. */
export function jsonOf(element: Element): string {
  if (typeof element === 'string') return JSON.stringify(element);
  if (Object.is(element, -0)) return '-0.0';
  return String(element);
}

/** Nested arrays as a client would write them. */
export function nested(elements: readonly string[], shape: readonly number[]): string {
  if (shape.length < 2) return `[${elements.join(',')}]`;
  const [first, ...rest] = shape as [number, ...number[]];
  const size = elements.length / first;
  const parts = Array.from({ length: first }, (_, i) =>
    nested(elements.slice(i * size, (i + 1) * size), rest),
  );
  return `[${parts.join(',')}]`;
}

/** The bytes of a tensor as the gateway holds it, to compare bit for bit. */
export function bytesOf({ data }: Pick<Tensor, 'data'>): Buffer {
  if (Array.isArray(data))
    return Buffer.concat((data as Uint8Array[]).map((element) => Buffer.from(element)));
  const { buffer, byteOffset, byteLength } = data as Exclude<TensorData, readonly Uint8Array[]>;
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}

const VIEW = {
  ...{ BOOL: Uint8Array, UINT8: Uint8Array, INT8: Int8Array, UINT16: Uint16Array, INT16: Int16Array },
  ...{ FP16: Uint16Array, UINT32: Uint32Array, INT32: Int32Array, FP32: Float32Array },
  ...{ UINT64: BigUint64Array, INT64: BigInt64Array, FP64: Float64Array },
} as const;

/** A request with these tensors: as JSON, or with the data as bytes behind it. */
export function requestOf(
  id: string,
  inputs: Readonly<Record<string, Tensor>>,
  options: { readonly binary: boolean; readonly parameters?: object },
): { body: Buffer; headerBytes: number } {
  const tails: Buffer[] = [];
  const texts = Object.entries(inputs).map(([name, tensor]) => {
    const { datatype, shape, data } = tensor;
    const head = `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join(',')}]`;
    if (!options.binary) return `${head},"data":[${elementsOf(tensor).map(jsonOf).join(',')}]}`;
    const tail = datatype === 'BYTES' ? binaryOf(datatype, elementsOf(tensor)) : bytesOf({ data });
    tails.push(tail);
    return `${head},"parameters":{"binary_data_size":${tail.length}}}`;
  });
  const parameters = { ...options.parameters, ...(options.binary ? { binary_data_output: true } : {}) };
  const json = Buffer.from(
    `{"id":${JSON.stringify(id)},"parameters":${JSON.stringify(parameters)},"inputs":[${texts.join(',')}]}`,
  );
  return { body: Buffer.concat([json, ...tails]), headerBytes: json.length };
}

function elementsOf({ datatype, data }: Tensor): Element[] {
  if (Array.isArray(data)) return (data as Uint8Array[]).map((element) => Buffer.from(element).toString());
  if (datatype === 'BOOL') return Array.from(data as Uint8Array, (bit) => bit !== 0);
  if (datatype === 'FP16') {
    const half = data as Uint16Array;
    return Array.from(new Float16Array(half.buffer as ArrayBuffer, half.byteOffset, half.length));
  }
  return Array.from(data as ArrayLike<number | bigint>);
}

interface AnswerJson {
  readonly id: string | null;
  readonly error?: { readonly code: string; readonly message: string } | string;
  readonly code?: string;
  readonly outputs?: readonly {
    readonly name: string;
    readonly datatype: Datatype;
    readonly shape: readonly number[];
    readonly data?: readonly unknown[];
    readonly parameters?: { readonly binary_data_size: number };
  }[];
}

export interface DecodedAnswer {
  readonly id: string | null;
  readonly error: string | undefined;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

/** Reads an answer; without a length the JSON ends where a receipt, the last member, does. */
export function answerOf(body: Buffer, headerBytes?: number): DecodedAnswer {
  const end = headerBytes ?? endOfJson(body);
  const json = JSON.parse(
    // Numbers beyond 2^53 as strings, and those that JSON lacks.
    body
      .subarray(0, end)
      .toString()
      .replaceAll(/(?<=[[,])(-?\d{16,}|NaN|-?Infinity)(?=[\],])/g, '"$1"'),
  ) as AnswerJson;
  const outputs: Record<string, Tensor> = {};
  let at = end;
  for (const { name, datatype, shape, data, parameters } of json.outputs ?? []) {
    const size = parameters?.binary_data_size ?? 0;
    const bytes = parameters
      ? body.subarray(at, at + size)
      : binaryOf(datatype, (data ?? []).map(plain(datatype)));
    at += size;
    outputs[name] = { datatype, shape, data: fromBytes(datatype, bytes) };
  }
  const { error } = json;
  const text =
    typeof error === 'string' ? `${json.code}: ${error}` : error && `${error.code}: ${error.message}`;
  return { id: json.id ?? null, error: text, outputs };
}

const plain =
  (datatype: Datatype) =>
  (value: unknown): Element => {
    if (datatype === 'BYTES') return value as string;
    if (datatype === 'INT64' || datatype === 'UINT64') return BigInt(value as string);
    return Number(value);
  };

function endOfJson(body: Buffer): number {
  if (body[body.length - 1] === 125) return body.length;
  const receipt = body.indexOf('"receipt":{');
  return body.indexOf('}}', receipt) + 2;
}

function fromBytes(datatype: Datatype, bytes: Buffer): TensorData {
  if (datatype !== 'BYTES') return new VIEW[datatype](new Uint8Array(bytes).buffer);
  const list: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    list.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return list;
}
