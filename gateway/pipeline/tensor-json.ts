import { isUtf8 } from 'node:buffer';
import type { ModelInfo } from '../ports/inference.ts';
import type { Tensor } from '../ports/tensor.ts';
import { shortestDecimal } from '../system/decimal.ts';

/**
 * An output as JSON: one value where the model says that there is one of it for an input, else a list in row-major
 * order. 64-bit integers are exact; what is not finite goes by its name (`"NaN"`, `"Infinity"`, as protobuf's JSON
 * mapping has it); bytes that are no text as a `data:` URL.
 */
export function tensorText(tensor: Tensor, single: boolean): string {
  const texts = elementTexts(tensor);
  return single && texts.length === 1 ? texts[0]! : `[${texts.join(',')}]`;
}

/** Per output whether it is one value: its shape has one element, besides the batch where all inputs have one. */
export function singleOutputs({ inputs, outputs }: ModelInfo): ReadonlyMap<string, boolean> {
  const batched = inputs.length > 0 && inputs.every(({ shape }) => shape[0] === -1);
  return new Map(
    outputs.map(({ name, shape }) => {
      const own = batched && shape[0] === -1 ? shape.slice(1) : shape;
      return [name, own.every((d) => d === 1)];
    }),
  );
}

function elementTexts({ datatype, data }: Tensor): string[] {
  if (datatype === 'BYTES') return (data as readonly Uint8Array[]).map(bytesText);
  if (datatype === 'FP16') {
    const half = data as Uint16Array;
    return Array.from(new Float16Array(half.buffer, half.byteOffset, half.length), numberText);
  }
  const values = data as Exclude<Tensor['data'], readonly Uint8Array[]>;
  if (datatype === 'BOOL') return Array.from(values as Uint8Array, (bit) => String(bit !== 0));
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) return Array.from(values, String);
  const single = values instanceof Float32Array;
  return Array.from(values, (value) =>
    numberText(single && Number.isFinite(value) ? shortestDecimal(value) : value),
  );
}

const numberText = (value: number): string => {
  if (!Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? '-0' : String(value);
};

function bytesText(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(text)) return JSON.stringify(text.toString('utf8'));
  return `"data:application/octet-stream;base64,${text.toString('base64')}"`;
}
