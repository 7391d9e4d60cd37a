import type { Manifest } from '../manifest.ts';
import { resolveReference } from './checks.ts';
import type { TransformPlan } from './transform-schema.ts';

/** A graph as plain data for the model host, its references resolved: `[node or null for an input, output]`. */
export interface GraphPlan {
  readonly nodes: readonly NodePlan[];
  readonly outputs: readonly OutputPlan[];
}

/** `output` null is the first of the node. */
export interface SourcePlan {
  readonly node: string | null;
  readonly output: string | null;
}

export interface OutputPlan extends SourcePlan {
  readonly name: string;
}

export type NodePlan =
  | {
      readonly kind: 'transform';
      readonly name: string;
      readonly params: TransformPlan;
      readonly inputs: readonly SourcePlan[];
    }
  | {
      readonly kind: 'model';
      readonly name: string;
      readonly runtime: string;
      /** Absolute. */
      readonly file: string;
      readonly inputs: Readonly<Record<string, SourcePlan>>;
    };

/** Name of the hidden input and output that carry the rows a `window` node remembers. */
export const remembered = (node: string): { input: string; output: string } => ({
  input: `${node}.before`,
  output: `${node}.after`,
});

/** The plan of a manifest that has been checked; undefined when it has no graph. */
export function planGraph(manifest: Manifest, fileOf: (name: string) => string): GraphPlan | undefined {
  const { graph } = manifest;
  if (!graph) return undefined;
  const inputs = new Set(manifest.inputs.map(({ name }) => name));
  const nodes = new Set(graph.map(({ name }) => name));
  const source = (text: string): SourcePlan => {
    const reference = resolveReference(text, inputs, nodes)!;
    return { node: reference.node ?? null, output: reference.output ?? null };
  };
  return {
    nodes: graph.map((node): NodePlan => {
      if (node.kind === 'model') {
        const { name, runtime, model, inputs: slots } = node;
        const wired = Object.entries(slots).map(([slot, text]) => [slot, source(text)]);
        return { kind: 'model', name, runtime, file: fileOf(model), inputs: Object.fromEntries(wired) };
      }
      const { kind, name, inputs: texts, ...params } = node;
      const wired = texts.map(source);
      if (params.transform === 'window') wired.push({ node: null, output: remembered(name).input });
      return { kind, name, params: params as TransformPlan, inputs: wired };
    }),
    outputs: manifest.outputs.map(({ name }) => ({ name, ...source(name) })),
  };
}

/** Rows that a `window` node remembers from one run to the next. */
export const rowsKept = ({
  rows,
  hop,
}: {
  readonly rows: number;
  readonly hop?: number | undefined;
}): number => Math.max(1, rows - (hop ?? 1));

/**
 * The manifest with the state of its `window` nodes written out, as a recurrent model has it, so that nothing else
 * needs to know of them.
 */
export function withRemembered(manifest: Manifest): Manifest {
  const windows = (manifest.graph ?? []).flatMap((node) =>
    node.kind === 'transform' && node.transform === 'window' ? [node] : [],
  );
  if (windows.length === 0) return manifest;
  const slots = windows.map((node) => ({
    ...remembered(node.name),
    shape: [1, rowsKept(node), ...node.of],
  }));
  const spec = (name: string, shape: readonly number[]) => ({
    name,
    datatype: 'FP32' as const,
    shape: [-1, ...shape.slice(1)],
  });
  return {
    ...manifest,
    inputs: [
      ...manifest.inputs,
      ...slots.map(({ input, shape }) => ({ ...spec(input, shape), from: 'state' as const })),
    ],
    outputs: [...manifest.outputs, ...slots.map(({ output, shape }) => spec(output, shape))],
    state: [...manifest.state, ...slots.map((slot) => ({ ...slot, batchAxis: 0 }))],
  };
}
