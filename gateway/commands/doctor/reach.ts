import { connect } from 'node:net';
import type { Config, UpstreamConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import { bad, type Finding, ok, skip, warn } from './finding.ts';

const TIMEOUT_MS = 3000;
const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  'mqtt:': 1883,
  'mqtts:': 8883,
  'ws:': 80,
  'wss:': 443,
  'http:': 80,
  'https:': 443,
};

/** The chain, the uplinks and the external broker, as seen from here. */
export async function reachFindings(config: Config): Promise<Finding[]> {
  return await Promise.all([
    ...(config.broker ? [address('broker', config.broker.url)] : []),
    ...config.upstream.map(uplink),
    ...config.models.servers.map(({ url }) => modelServer(url)),
    chain(config),
  ]);
}

function uplink(upstream: UpstreamConfig): Promise<Finding> {
  const check = `upstream ${upstream.id}`;
  const url = upstream.mqtt?.url ?? upstream.http?.url;
  if (url === undefined) return Promise.resolve(ok(check, `file ${upstream.file?.path}`));
  return address(check, url);
}

/** A server that runs models for this gateway; nothing is sent, so that its token stays here. */
const modelServer = (url: string): Promise<Finding> =>
  address(`model server ${new URL(url).host}`, url, 'its models are refused until it answers');

/** Whether something takes connections at an address; nothing is sent. */
async function address(
  check: string,
  text: string,
  meanwhile = 'records wait in the journal meanwhile',
): Promise<Finding> {
  const url = new URL(text);
  const port = Number(url.port) || DEFAULT_PORTS[url.protocol] || 0;
  const problem = await connectProblem(url.hostname.replace(/^\[|\]$/g, ''), port);
  if (problem === undefined) return ok(check, `${url.protocol}//${url.host} takes connections`);
  return warn(
    check,
    `${url.protocol}//${url.host}: ${problem}; ${meanwhile}`,
    `check the network, then that the receiver runs: nc -vz ${url.hostname} ${port}`,
  );
}

function connectProblem(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: TIMEOUT_MS });
    const end = (problem: string | undefined): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.once('connect', () => end(undefined));
    socket.once('timeout', () => end('no answer'));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}

/** The first node that can be used; else what is wrong with the last. */
async function chain(config: Config): Promise<Finding> {
  const settings = config.billing?.chain;
  if (!settings) return skip('chain', 'none is configured; receipts are kept here');
  const urls = settings.rpcUrl.split(',').map((url) => url.trim());
  let finding = await node(urls[0]!, settings);
  for (const url of urls.slice(1)) {
    if (finding.state === 'ok') break;
    finding = await node(url, settings);
  }
  return finding;
}

async function node(
  rpcUrl: string,
  { chainId, ledger }: { readonly chainId: number; readonly ledger?: string | undefined },
): Promise<Finding> {
  if (!rpcUrl.startsWith('http')) return await address('chain', rpcUrl);
  try {
    const found = Number(await ask(rpcUrl, 'eth_chainId', []));
    if (found !== chainId) {
      return bad(
        'chain',
        `${rpcUrl} is chain ${found}, not ${chainId}`,
        'mend billing.chain.rpcUrl or billing.chain.chainId',
      );
    }
    if (ledger === undefined)
      return warn('chain', 'no ledger is configured: receipts wait', 'set billing.chain.ledger');
    if ((await ask(rpcUrl, 'eth_getCode', [ledger, 'latest'])) === '0x') {
      return bad(
        'chain',
        `there is no contract at ${ledger}`,
        'set billing.chain.ledger to the ledger of this chain',
      );
    }
    return ok('chain', `${rpcUrl}, chain ${chainId}, ledger ${ledger}`);
  } catch (error) {
    const cause =
      error instanceof Error
        ? ((error.cause as NodeJS.ErrnoException | undefined)?.code ?? error.message)
        : '';
    return warn(
      'chain',
      `${rpcUrl}: ${cause}; receipts wait meanwhile`,
      'check billing.chain.rpcUrl and the network',
    );
  }
}

async function ask(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const { result } = (await response.json()) as { result?: unknown };
  if (result === undefined) throw new GatewayError('CHAIN_DEPLOY', 'no JSON-RPC answer');
  return result;
}
