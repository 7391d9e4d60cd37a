import type { GatewayClient } from '../../gateway/client.ts';
import { asError, GatewayProblem } from '../../gateway/errors.ts';
import type { FlowNode, NodeConfig, Red } from '../../red.ts';
import type { GatewayNode } from './gateway-node.ts';

/** Numbers that change are shown so often, at most. */
const NUMBERS_MS = 500;

/** How a node shows what it is about; texts are keys of the catalogue. */
export class StatusLine {
  readonly #red: Red;
  readonly #node: FlowNode;
  #last = '';
  #key = '';
  #at = 0;

  constructor(red: Red, node: FlowNode) {
    this.#red = red;
    this.#node = node;
  }

  /** Says nothing when nothing has changed, and little when only numbers have. */
  show(key: string, fill: 'red' | 'green' | 'yellow' | 'grey', shape: 'ring' | 'dot', values = {}): void {
    const now = performance.now();
    if (key === this.#key && now - this.#at < NUMBERS_MS) return;
    const text = this.#red._(key, values);
    const line = `${text}/${fill}/${shape}`;
    if (line === this.#last) return;
    this.#last = line;
    this.#key = key;
    this.#at = now;
    this.#node.status({ fill, shape, text });
  }

  readonly good = (key = 'connected', values = {}): void =>
    this.show(`common.status.${key}`, 'green', 'dot', values);
  readonly waiting = (key = 'connecting'): void => this.show(`common.status.${key}`, 'yellow', 'ring');
  readonly bad = (key: string): void => this.show(`common.status.${key}`, 'red', 'ring');
}

/** A node that has its gateway. */
export interface Attached {
  readonly client: GatewayClient;
  readonly line: StatusLine;
  /** Something to undo when the node is closed. */
  onClose(undo: () => void | Promise<void>): void;
}

const STATUS_OF: Readonly<Record<string, string>> = {
  DEADLINE: 'late',
  QUEUE_FULL: 'busy',
  OUTBOX_FULL: 'busy',
  UNAUTHORIZED: 'forbidden',
  FORBIDDEN: 'forbidden',
  REPLY_FORBIDDEN: 'forbidden',
  REFUSED: 'forbidden',
  UNREACHABLE: 'unreachable',
  TIMEOUT: 'unreachable',
  NOT_FOUND: 'unknown',
  MODEL_MISSING: 'unknown',
  HTTP_404: 'unknown',
};

/** The key of a short text for an error. */
export const statusOf = (error: unknown): string =>
  (error instanceof GatewayProblem ? STATUS_OF[error.code] : undefined) ?? 'failed';

/**
 * Joins a node to its gateway and sees to it that all is undone when it is closed. Without a gateway the node says so.
 * @param mqtt whether the node needs the MQTT connection; its state is then the node's status
 */
export function attach(red: Red, node: FlowNode, config: NodeConfig, mqtt: boolean): Attached | undefined {
  const line = new StatusLine(red, node);
  const gateway = config.gateway ? (red.nodes.getNode(config.gateway) as GatewayNode | null) : null;
  if (!gateway?.sharing) {
    line.bad('no-gateway');
    return undefined;
  }
  let client: GatewayClient;
  try {
    client = gateway.sharing.join(node.id);
  } catch (cause) {
    line.bad('failed');
    node.error(asError(cause));
    return undefined;
  }
  const undo: (() => void | Promise<void>)[] = [];
  if (mqtt) {
    undo.push(watch(client, node, line));
    client.link.open();
  }
  node.on('close', (_removed, done) => {
    void close(undo, () => gateway.sharing.leave(node.id)).then(
      () => done(),
      (error) => {
        node.warn(String(error));
        done();
      },
    );
  });
  return { client, line, onClose: (one) => undo.push(one) };
}

async function close(
  undo: readonly (() => void | Promise<void>)[],
  leave: () => Promise<void>,
): Promise<void> {
  for (const one of undo) await one();
  await leave();
}

function watch(client: GatewayClient, node: FlowNode, line: StatusLine): () => void {
  let told = '';
  return client.link.watch((state, error) => {
    if (state === 'connected') {
      told = '';
      line.good();
    } else if (state === 'waiting') {
      line.bad('disconnected');
      // Once for each reason: it is tried again every few seconds.
      if (error && error.message !== told) node.warn(error.message);
      told = error?.message ?? told;
    } else if (state === 'connecting') line.waiting();
  });
}
