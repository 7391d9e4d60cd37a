import type { Activity } from './activity.ts';
import type { Channel } from './channel.ts';
import type { RunningNode } from './node-red.ts';
import type { NodeName } from './protocol.ts';
import { functionNodeIn } from './stack.ts';

interface Nodes {
  getNode(id: string): RunningNode | null;
}

/** Long enough for a line to leave, short enough that nothing else happens. */
const LAST_WORDS_MS = 500;
const LONGEST_MESSAGE = 1000;

/**
 * Tells which node threw what nobody caught, then ends the process: a flow whose error went past it is in no known state. The
 * node is the one whose function is on the stack, else the one that was last given a message.
 */
export function endOnFault(channel: Channel, activity: Activity, nodes: () => Nodes | undefined): void {
  let ending = false;
  const end = (cause: unknown): void => {
    if (ending) return;
    ending = true;
    const stack = cause instanceof Error ? `${cause.stack}` : '';
    const message = (cause instanceof Error ? cause.message : String(cause)).slice(0, LONGEST_MESSAGE);
    const id = functionNodeIn(stack) ?? activity.last();
    const node = id === '' ? undefined : nameOf(id, nodes());
    void channel.tellLast({ kind: 'fault', message, ...(node ? { node } : {}) }).then(() => process.exit(70));
    setTimeout(() => process.exit(70), LAST_WORDS_MS);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}

function nameOf(id: string, nodes: Nodes | undefined): NodeName {
  const node = nodes?.getNode(id);
  return node ? { id, type: node.type, ...(node.name ? { name: node.name } : {}) } : { id };
}
