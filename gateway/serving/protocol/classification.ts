import type { Tensor } from '../../ports/tensor.ts';
import { isBytes } from './datatypes.ts';
import { invalid } from './invalid.ts';

/**
 * Classification extension: in place of an output of shape [batch, classes] (or [classes]) the `count` largest values of
 * each row as `"<value>:<index>"`, largest first.
 */
export function classified(name: string, { datatype, shape, data }: Tensor, count: number): Tensor {
  if (isBytes(data)) throw invalid(`output "${name}" of ${datatype} has no classes`);
  const values =
    datatype === 'FP16'
      ? new Float16Array(data.buffer as ArrayBuffer, data.byteOffset, data.length)
      : (data as ArrayLike<number | bigint>);
  const classes = shape[shape.length - 1] ?? 1;
  const rows = classes === 0 ? 0 : values.length / classes;
  const best = Math.min(count, classes);
  const list: Uint8Array[] = [];
  for (let row = 0; row < rows; row++) {
    const from = row * classes;
    const order = Array.from({ length: classes }, (_, i) => i).sort((a, b) =>
      values[from + a]! < values[from + b]! ? 1 : values[from + a]! > values[from + b]! ? -1 : a - b,
    );
    for (const index of order.slice(0, best)) list.push(Buffer.from(`${values[from + index]}:${index}`));
  }
  return { datatype: 'BYTES', shape: [...shape.slice(0, -1), best], data: list };
}
