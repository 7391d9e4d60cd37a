import type { Manifest } from '../manifest.ts';
import type { GraphNode } from './schema.ts';

type Say = (key: string, message: string) => void;

/** Outputs of the transforms that have several, or one that is not called `out`. */
const OUTPUTS: Readonly<Record<string, readonly string[]>> = {
  top: ['values', 'indices', 'labels'],
  window: ['rows'],
  image: ['pixels', 'info'],
  nms: ['boxes', 'scores', 'classes', 'labels', 'count'],
};

/** How many inputs a transform takes; 1 when it is not here. */
const INPUTS: Readonly<Record<string, readonly [number, number]>> = {
  concat: [2, 64],
  nms: [2, 3],
};

/** Where a reference leads: to an input of the bundle, or to an output of a node; `output` undefined means the first. */
export interface Reference {
  readonly node: string | undefined;
  readonly output: string | undefined;
}

/** What `text` refers to among these inputs and nodes; undefined when it is neither. */
export function resolveReference(
  text: string,
  inputs: ReadonlySet<string>,
  nodes: ReadonlySet<string>,
): Reference | undefined {
  if (inputs.has(text)) return { node: undefined, output: text };
  if (nodes.has(text)) return { node: text, output: undefined };
  const dot = text.indexOf('.');
  if (dot <= 0 || !nodes.has(text.slice(0, dot))) return undefined;
  return { node: text.slice(0, dot), output: text.slice(dot + 1) };
}

/** Names and references of a graph: all that can be told without its model files. */
export function checkGraph({ graph, inputs, outputs }: Manifest, say: Say): void {
  if (!graph) return;
  const given = new Set(inputs.map(({ name }) => name));
  const before = new Set<string>();
  const used = new Set<string>();
  const known = new Map(graph.map((node) => [node.name, node]));
  const look = (key: string, text: string): void => {
    const reference = resolveReference(text, given, before);
    if (!reference) {
      const later = known.has(text.split('.')[0]!) ? ', which comes later or is this node' : '';
      say(
        key,
        `"${text}" is neither an input nor a node before${later}; there are ${[...given, ...before].join(', ')}`,
      );
      return;
    }
    used.add(reference.node ?? `input ${text}`);
    const outputsOf = reference.node === undefined ? undefined : knownOutputs(known.get(reference.node)!);
    if (reference.output !== undefined && outputsOf && !outputsOf.includes(reference.output))
      say(key, `"${reference.node}" has no output "${reference.output}", only ${outputsOf.join(', ')}`);
  };
  graph.forEach((node, i) => {
    if (given.has(node.name)) say(`graph[${i}].name`, `"${node.name}" is the name of an input, too`);
    if (before.has(node.name)) say(`graph[${i}].name`, `"${node.name}" is there twice`);
    if (node.kind === 'model') {
      for (const [slot, text] of Object.entries(node.inputs)) look(`graph[${i}].inputs.${slot}`, text);
    } else {
      const [least, most] = INPUTS[node.transform] ?? [1, 1];
      if (node.inputs.length < least || node.inputs.length > most)
        say(
          `graph[${i}].inputs`,
          `${node.transform} takes ${least === most ? least : `${least} to ${most}`} inputs, found ${node.inputs.length}`,
        );
      const several = node.inputs.length > 1;
      for (const [n, text] of node.inputs.entries())
        look(`graph[${i}].inputs${several ? `[${n}]` : ''}`, text);
      checkParameters(node, `graph[${i}]`, say);
    }
    before.add(node.name);
  });
  for (const [i, output] of outputs.entries()) look(`outputs[${i}].name`, output.name);
  graph.forEach((node, i) => {
    if (!used.has(node.name)) say(`graph[${i}].name`, `nothing uses "${node.name}"`);
  });
  inputs.forEach((input, i) => {
    if (!used.has(`input ${input.name}`))
      say(`inputs[${i}].name`, `no node of the graph uses "${input.name}"`);
  });
}

/** Undefined for models, whose outputs only their files tell. */
function knownOutputs(node: GraphNode): readonly string[] | undefined {
  if (node.kind === 'model') return undefined;
  if (node.transform === 'split') return node.sizes.map((_, i) => String(i));
  const outputs = OUTPUTS[node.transform] ?? ['out'];
  if (node.transform === 'nms') return outputs.filter((name) => name !== (node.pad ? '' : 'count'));
  return outputs;
}

function checkParameters(node: Extract<GraphNode, { kind: 'transform' }>, at: string, say: Say): void {
  const positive = (key: string, values: readonly number[]): void => {
    const wrong = values.findIndex((value) => !(value > 0));
    if (wrong >= 0) say(`${at}.${key}[${wrong}]`, `expected more than 0, found ${values[wrong]}`);
  };
  if (node.transform === 'standardize') positive('std', node.std);
  if (node.transform === 'clip' && node.min === undefined && node.max === undefined)
    say(at, 'clip needs min, max or both');
  if (node.transform === 'reshape' && node.shape.filter((d) => d === -1).length > 1)
    say(`${at}.shape`, 'at most one dimension may be -1');
  if (node.transform === 'transpose' && new Set(node.order).size !== Math.max(...node.order) + 1)
    say(`${at}.order`, 'expected each axis once');
  if (node.transform === 'window' && node.hop !== undefined && node.hop > node.rows)
    say(`${at}.hop`, `expected at most rows, ${node.rows}, found ${node.hop}`);
  if (node.transform === 'nms' && node.relative && node.inputs.length === 3 && !node.size)
    say(`${at}.size`, 'needed to turn relative boxes into pixels of the picture');
  if (node.transform === 'mel' && node.low >= (node.high ?? node.rate / 2))
    say(`${at}.low`, `expected less than ${node.high ?? node.rate / 2}, found ${node.low}`);
}
