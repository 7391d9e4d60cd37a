import type { NodeName } from '../../flows/host/protocol.ts';
import type { HostEnd } from './host-process.ts';

/** Counts crashes; pure. */
export class CrashLoop {
  readonly #crashes: number;
  readonly #within: number;
  #times: number[] = [];

  /** @param within milliseconds */
  constructor(crashes: number, within: number) {
    this.#crashes = crashes;
    this.#within = within;
  }

  /** Notes a crash; answers whether it is one too many. @param now monotonic */
  add(now: number): boolean {
    this.#times = [...this.#times.filter((time) => now - time < this.#within), now];
    return this.#times.length >= this.#crashes;
  }

  reset(): void {
    this.#times = [];
  }
}

/** A node as people know it, from the flows it is in: ids are all that is left of a process that hangs. */
export function findNode(node: NodeName, flows: string): NodeName {
  let list: { id?: unknown; type?: unknown; name?: unknown; label?: unknown; z?: unknown }[];
  try {
    list = JSON.parse(flows);
  } catch {
    return node;
  }
  const found = Array.isArray(list) ? list.find(({ id }) => id === node.id) : undefined;
  if (!found) return node;
  const tab = list.find(({ id }) => id === found.z);
  const flow = tab?.label ?? tab?.name;
  return {
    id: node.id,
    ...(typeof found.type === 'string' ? { type: found.type } : {}),
    ...(typeof found.name === 'string' && found.name !== '' ? { name: found.name } : {}),
    ...(typeof flow === 'string' ? { flow } : {}),
  };
}

/** `function "scale" in "Heating" (a1b2)`. */
export function nodeText(node: NodeName | undefined): string {
  if (!node) return 'a node that is not known';
  const name = node.name === undefined ? '' : ` "${node.name}"`;
  const place = node.flow === undefined ? '' : ` in "${node.flow}"`;
  return `${node.type ?? 'node'}${name}${place} (${node.id})`;
}

const WHAT: Readonly<Record<HostEnd['kind'], string>> = {
  stopped: 'were stopped',
  threw: 'ended by an error that nothing caught',
  hung: 'kept their process without a pause',
  memory: 'ran out of memory',
  crashed: 'crashed',
  killed: 'were killed from outside',
  'broken-protocol': 'broke the line to the gateway',
};

export const endText = ({ kind, detail }: HostEnd): string => `${WHAT[kind]}: ${detail}`;
