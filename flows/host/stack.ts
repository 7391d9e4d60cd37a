import { Session } from 'node:inspector';

/** How Node-RED names the scripts of a function node: `Function node:<id> [<name>]`, with ` setup` or ` cleanup`. */
const FUNCTION_NODE = /Function node(?: setup| cleanup)?:([\w.-]+)/;

/** The function node whose code is on a stack, from the text of an error; undefined when there is none. */
export const functionNodeIn = (text: string): string | undefined => FUNCTION_NODE.exec(text)?.[1];

/**
 * Looks at what the main thread is running, from another thread: pauses it for a moment, as a debugger does, also in a loop that
 * never ends. Tells the id of the function node on the stack; nothing when there is none.
 */
export function lookAtMainThread(found: (id: string) => void): void {
  const session = new Session();
  const scripts = new Map<string, string>();
  session.connectToMainThread();
  session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => {
    const id = functionNodeIn(url);
    if (id !== undefined) scripts.set(scriptId, id);
  });
  session.on('Debugger.paused', ({ params }) => {
    const ids = params.callFrames.map(({ location }) => scripts.get(location.scriptId));
    const id = ids.find((one) => one !== undefined);
    if (id !== undefined) found(id);
    session.post('Debugger.resume');
    session.post('Debugger.disable', () => session.disconnect());
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
}
