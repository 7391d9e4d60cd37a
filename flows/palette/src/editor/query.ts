/** Questions to the gateway, through the runtime of Node-RED: the browser needs no way to the gateway itself. */

interface ConfigNode {
  readonly id: string;
  readonly http?: string;
  readonly mqtt?: string;
  readonly credentials?: { readonly token?: string };
}

interface Ajax {
  then(
    done: (answer: unknown) => void,
    failed: (response: { responseJSON?: { message?: string } }) => void,
  ): void;
}

declare const $: { ajax(settings: object): Ajax };
declare const RED: { readonly nodes: { node(id: string): ConfigNode | null } };

/** What Node-RED shows in place of a password that is kept. */
const KEPT = '__PWRD__';
const FRESH_MS = 5000;
const MAX_ANSWERS = 50;

const answers = new Map<string, { readonly at: number; readonly answer: Promise<unknown> }>();

function ask(body: object): Promise<unknown> {
  const data = JSON.stringify(body);
  const known = answers.get(data);
  if (known && performance.now() - known.at < FRESH_MS) return known.answer;
  const answer = new Promise<unknown>((resolve, reject) => {
    $.ajax({ url: 'aimx-gateway/lists', type: 'POST', contentType: 'application/json', data }).then(
      resolve,
      (response) => reject(new Error(response.responseJSON?.message ?? 'the gateway cannot be asked')),
    );
  });
  answers.delete(data);
  if (answers.size >= MAX_ANSWERS) answers.clear();
  answers.set(data, { at: performance.now(), answer });
  answer.catch(() => answers.delete(data));
  return answer;
}

/** Asks as the configuration stands in the editor, deployed or not. */
export function query(gateway: string, what: string, of = ''): Promise<unknown> {
  const node = RED.nodes.node(gateway);
  if (!node) return Promise.reject(new Error('no gateway is chosen'));
  const { http, mqtt, credentials } = node;
  const token = credentials?.token === KEPT ? undefined : credentials?.token;
  return ask({ gateway: node.id, http, mqtt, ...(token ? { token } : {}), what, of });
}
