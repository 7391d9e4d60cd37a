import { Session } from 'node:inspector';

interface Frame {
  readonly url?: string;
  readonly functionName?: string;
}

/** How Node-RED names the script of a function node. */
const FUNCTION_NODE = /^Function node:([\w.-]+)/;

/** The function node whose code is on a stack, from the text of an error; undefined when there is none. */
export const functionNodeIn = (stack: string): string | undefined =>
  /Function node:([\w.-]+)/.exec(stack)?.[1];

/**
 * Looks at what the main thread is running, from another thread: pauses it for a moment, as a debugger does, also in a loop that
 * never ends. Tells the id of the function node on the stack; nothing when there is none.
 */
export function lookAtMainThread(found: (id: string) => void): void {
  const session = new Session();
  session.connectToMainThread();
  session.on('Debugger.paused', ({ params }) => {
    for (const { url } of params.callFrames as readonly Frame[]) {
      const id = FUNCTION_NODE.exec(url ?? '')?.[1];
      if (id === undefined) continue;
      found(id);
      break;
    }
    session.post('Debugger.resume');
    session.post('Debugger.disable', () => session.disconnect());
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
}
