import type { Inference, ModelAnswer, ModelInfo, ModelInput } from '../../gateway/ports/inference.ts';

export interface ModelTerms {
  readonly features?: readonly string[];
  readonly rows?: number;
  readonly recurrent?: boolean;
  readonly maxBatch?: number;
  /** Windows whose first value is this are answered as poison. */
  readonly poison?: number;
  /** Held batches: nothing is answered while it is pending. */
  readonly gate?: () => Promise<void>;
}

/**
 * An Inference in this process: `sum`, `rows` and `level` of each window are functions of its values and, when
 * recurrent, of all windows of the same device before. Answers come some turns of the event loop later.
 */
export function windowModel(terms: ModelTerms = {}): Inference & { readonly batches: number[] } {
  const info: ModelInfo = {
    name: 'probe',
    version: '1.0.0',
    sha256: 'ab'.repeat(32),
    features: terms.features ?? [],
    rows: terms.rows,
    recurrent: terms.recurrent ?? false,
    maxBatch: terms.maxBatch ?? 16,
    inputs: [],
    outputs: [],
  };
  const batches: number[] = [];
  return {
    batches,
    model: () => info,
    infer: () => Promise.reject(new Error('windows only')),
    versions: () => [info.version],
    ready: () => true,
    async run(_, items) {
      batches.push(items.length);
      await terms.gate?.();
      await new Promise((resolve) => setImmediate(resolve));
      return items.map((item) => answer(item, terms));
    },
  };
}

/** What {@link windowModel} answers. */
export function answer(item: ModelInput, terms: ModelTerms): ModelAnswer {
  if (terms.poison !== undefined && item.window[0] === terms.poison) {
    return { ok: false, code: 'POISON', message: 'ends the host' };
  }
  let sum = 0;
  let weighted = 0;
  item.window.forEach((value, i) => {
    sum += value;
    weighted += value * (i + 1);
  });
  const memory = item.state?.memory ?? new Float32Array(1);
  const level = memory[0]! * 0.5 + sum;
  return {
    ok: true,
    output: {
      outputs: { sum, weighted, rows: item.rows, ...(terms.recurrent ? { level } : {}) },
      state: terms.recurrent ? { memory: Float32Array.of(level) } : undefined,
      computeUs: 5,
    },
  };
}
