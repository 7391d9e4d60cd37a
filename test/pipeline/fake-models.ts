import type {
  AnsweredPart,
  Inference,
  ModelInfo,
  ModelState,
  OutputColumn,
  OutputValue,
  WindowFailure,
} from '../../gateway/ports/inference.ts';

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
    route: () => info,
    infer: () => Promise.reject(new Error('windows only')),
    versions: () => [info.version],
    ready: () => true,
    async run(_, { windows, rows, states }) {
      batches.push(windows.length);
      await terms.gate?.();
      await new Promise((resolve) => setImmediate(resolve));
      const parts: AnsweredPart[] = [];
      const failures: WindowFailure[] = [];
      windows.forEach((window, index) => {
        const outcome = answer({ window, rows, state: states?.[index] }, terms);
        if ('code' in outcome) failures.push({ index, ...outcome });
        else parts.push(partOf(index, outcome));
      });
      return { model: info, parts, failures };
    },
  };
}

/** Outputs of one window as a part has them. */
export function columnsOf(outputs: Readonly<Record<string, OutputValue>>): OutputColumn[] {
  return Object.entries(outputs).map(([name, value]): OutputColumn => {
    const values: readonly (number | string | boolean)[] = typeof value === 'object' ? value : [value];
    const column = { name, labels: undefined, single: false, per: values.length };
    if (typeof values[0] === 'boolean')
      return { ...column, kind: 'boolean', data: Float64Array.from(values, Number) };
    if (typeof values[0] === 'string')
      return { ...column, kind: 'text', labels: values.map(String), data: Float64Array.from(values.keys()) };
    return { ...column, kind: 'numbers', data: Float64Array.from(values, Number) };
  });
}

interface Outcome {
  readonly outputs: Readonly<Record<string, number>>;
  readonly state: ModelState | undefined;
}

function partOf(index: number, { outputs, state }: Outcome): AnsweredPart {
  const columns = columnsOf(outputs);
  return { from: index, to: index + 1, columns, states: state && (() => state), computeUs: 5 };
}

/** What {@link windowModel} answers. */
export function answer(
  item: {
    readonly window: Float64Array | Float32Array;
    readonly rows: number;
    readonly state: ModelState | undefined;
  },
  terms: ModelTerms,
): Outcome | { readonly code: string; readonly message: string } {
  if (terms.poison !== undefined && item.window[0] === terms.poison)
    return { code: 'POISON', message: 'ends the host' };
  let sum = 0;
  let weighted = 0;
  item.window.forEach((value, i) => {
    sum += value;
    weighted += value * (i + 1);
  });
  const memory = item.state?.memory ?? new Float32Array(1);
  const level = memory[0]! * 0.5 + sum;
  return {
    outputs: { sum, weighted, rows: item.rows, ...(terms.recurrent ? { level } : {}) },
    state: terms.recurrent ? { memory: Float32Array.of(level) } : undefined,
  };
}
