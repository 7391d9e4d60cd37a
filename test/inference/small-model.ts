import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mlpModel } from '../support/onnx.ts';

/** `mlpModel([4, 3])` computed by hand: weights follow from their place. */
export const onnxModel = {
  write(folder: string): string {
    const file = join(folder, 'model.onnx');
    writeFileSync(file, mlpModel([4, 3]));
    return file;
  },
  compute(x: readonly number[]): number[] {
    const out: number[] = [];
    for (let row = 0; row < x.length; row += 4) {
      for (let c = 0; c < 3; c++) {
        let sum = Math.cos(c + 1) / 10;
        for (let k = 0; k < 4; k++) sum += (x[row + k]! * Math.sin((k * 3 + c) * 1.7 + 1)) / 2;
        out.push(sum);
      }
    }
    return out;
  },
};
