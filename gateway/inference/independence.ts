import { GatewayError } from '../errors.ts';
import type { Tensor } from '../ports/tensor.ts';
import type { HostProcess } from './host-process.ts';
import { type Closeness, tensorsApart } from './life/compare.ts';
import { generator, madeUpInputs } from './made-up.ts';
import type { Model } from './model.ts';
import { probeTensors } from './probe.ts';
import { rowsOf } from './rows.ts';

const ROWS = 3;
const MAX_VALUES = 2_000_000;
/** Sums are formed in another order when there are more rows. */
const CLOSE: Closeness = { absolute: 1e-4, relative: 1e-2 };

/**
 * Whether a model with a free first dimension answers rows that are put together as it answers each alone: that
 * dimension may be time, or the answer of one row may depend on the others, and then no two calls may share a run.
 * Undefined when the rows would be too large to try.
 */
export async function rowsAreIndependent(host: HostProcess, model: Model): Promise<boolean | undefined> {
  const inputs = madeUpInputs(model.plan.face, ROWS, MAX_VALUES, generator(2));
  if (!inputs) return undefined;
  try {
    const together = (await probeTensors(host, model, inputs, undefined)).outputs;
    for (let row = 0; row < ROWS; row++) {
      const alone = (await probeTensors(host, model, rowOf(inputs, row), undefined)).outputs;
      for (const name in alone) {
        const all = together[name]!;
        if (all.shape[0] !== ROWS) return false;
        if (!tensorsApart(rowsOf(all, row, row + 1), alone[name]!, CLOSE).agrees) return false;
      }
    }
    return true;
  } catch (error) {
    // It takes one row and not three, or these rows not at all; the sample that is recorded tells which.
    if (error instanceof GatewayError && host.alive) return false;
    throw error;
  }
}

const rowOf = (inputs: Readonly<Record<string, Tensor>>, row: number): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, rowsOf(tensor, row, row + 1)]));
