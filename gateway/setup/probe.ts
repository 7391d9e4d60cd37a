import { mqttHello } from './mqtt-hello.ts';

const TIMEOUT_MS = 5000;
const PORTS: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883 };

export interface Upstream {
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** What is wrong with an upstream, undefined when it answers as it should. */
export async function upstreamProblem({ url, username, password }: Upstream): Promise<string | undefined> {
  const { protocol, hostname, port } = new URL(url);
  if (protocol === 'http:' || protocol === 'https:') return await httpProblem(url);
  return await mqttHello(
    {
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port) || PORTS[protocol]!,
      tls: protocol === 'mqtts:',
      username,
      password,
    },
    TIMEOUT_MS,
  );
}

/** Any answer will do: what a receiver says to a request without records is its own business. */
async function httpProblem(url: string): Promise<string | undefined> {
  try {
    await fetch(url, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) });
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** What is wrong with a chain, undefined when it is the one that is meant and has the ledger. */
export async function chainProblem(
  rpcUrl: string,
  chainId: number,
  ledger: string | undefined,
): Promise<{ readonly field: 'rpcUrl' | 'chainId' | 'ledger'; readonly problem: string } | undefined> {
  try {
    const found = Number(await ask(rpcUrl, 'eth_chainId', []));
    if (!Number.isInteger(found)) return { field: 'rpcUrl', problem: 'it is no node of a chain' };
    if (found !== chainId) return { field: 'chainId', problem: `the node serves chain ${found}` };
    if (ledger !== undefined && (await ask(rpcUrl, 'eth_getCode', [ledger, 'latest'])) === '0x')
      return { field: 'ledger', problem: 'there is no contract at this address' };
    return undefined;
  } catch (error) {
    return { field: 'rpcUrl', problem: reasonOf(error) };
  }
}

async function ask(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  return ((await response.json()) as { result?: unknown }).result;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'it does not answer';
  if (error instanceof SyntaxError) return 'it answers, but not as a node of a chain';
  return (error.cause as NodeJS.ErrnoException | undefined)?.code ?? error.message;
}
