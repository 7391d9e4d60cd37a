import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JsChain, Mined } from './js-chain.ts';

/** JSON-RPC for {@link JsChain}: the methods that wallets and the gateway need, single or in batches. */
export function serveRpc(chain: JsChain): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_REQUEST_BYTES) request.destroy();
    });
    request.on('end', () => {
      answer(chain, Buffer.concat(chunks).toString('utf8')).then((body) => {
        response.setHeader('content-type', 'application/json');
        response.end(body);
      });
    });
  };
}

const MAX_REQUEST_BYTES = 4 * 1024 * 1024;

interface Request {
  readonly id: unknown;
  readonly method: string;
  readonly params?: readonly unknown[];
}

class RpcFault extends Error {
  readonly code: number;
  readonly data: unknown;
  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

async function answer(chain: JsChain, body: string): Promise<string> {
  let request: Request | Request[];
  try {
    request = JSON.parse(body);
  } catch {
    return JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32700, message: 'not JSON' } });
  }
  if (!Array.isArray(request)) return JSON.stringify(await single(chain, request));
  const answers = [];
  for (const one of request) answers.push(await single(chain, one));
  return JSON.stringify(answers);
}

async function single(chain: JsChain, request: Request): Promise<object> {
  const head = { jsonrpc: '2.0', id: request.id ?? null };
  try {
    const method = METHODS[request.method];
    if (!method) throw new RpcFault(-32601, `the method ${request.method} does not exist`);
    return { ...head, result: await method(chain, request.params ?? []) };
  } catch (error) {
    const code = error instanceof RpcFault ? error.code : -32000;
    const data = error instanceof RpcFault ? error.data : undefined;
    return {
      ...head,
      error: { code, message: error instanceof Error ? error.message : String(error), data },
    };
  }
}

type Method = (chain: JsChain, params: readonly unknown[]) => unknown;

const METHODS: Readonly<Record<string, Method>> = {
  __proto__: null as unknown as Method,
  eth_chainId: (chain) => quantity(chain.chainId),
  net_version: (chain) => String(chain.chainId),
  web3_clientVersion: () => 'aimx-devchain/ethereumjs',
  eth_blockNumber: (chain) => quantity(chain.height),
  eth_gasPrice: () => quantity(2_000_000_000),
  eth_maxPriorityFeePerGas: () => quantity(1_000_000_000),
  eth_getBlockByNumber: (chain, [tag]) => blockDocument(chain, tag),
  eth_getTransactionCount: async (chain, [address]) => quantity(await chain.nonce(address as string)),
  eth_getBalance: async (chain, [address]) => quantity(await chain.balance(address as string)),
  eth_getCode: (chain, [address]) => chain.code(address as string),
  eth_call: async (chain, [call]) => (await execute(chain, call)).data,
  eth_estimateGas: async (chain, [call]) => quantity((await execute(chain, call)).gasUsed * 2n + 100_000n),
  eth_sendRawTransaction: (chain, [raw]) => chain.send(raw as string),
  eth_getTransactionReceipt: (chain, [hash]) => receiptDocument(chain.receipt(hash as string)),
  eth_getLogs: (chain, [filter]) => logs(chain, filter as LogFilter),
  evm_increaseTime: async (chain, [seconds]) => Number(await chain.increaseTime(Number(seconds))),
  evm_mine: async (chain) => {
    await chain.mine();
    return '0x0';
  },
  anvil_setBalance: async (chain, [address, balance]) => {
    await chain.setBalance(address as string, balance as string);
    return null;
  },
};

interface LogFilter {
  readonly address?: string;
  readonly fromBlock?: string;
  readonly toBlock?: string;
  readonly topics?: readonly (string | readonly string[] | null)[];
}

/** https://ethereum.org/developers/docs/apis/json-rpc, `eth_getLogs`: null matches any topic, a list any of its own. */
function logs(chain: JsChain, { address, fromBlock, toBlock, topics = [] }: LogFilter): object[] {
  const number = (tag: string | undefined, otherwise: number): number =>
    tag?.startsWith('0x') ? Number(tag) : tag === 'earliest' ? 0 : otherwise;
  const [from, to] = [number(fromBlock, chain.height), number(toBlock, chain.height)];
  const fits = (log: Mined['logs'][number]): boolean =>
    (address === undefined || log.address.toLowerCase() === address.toLowerCase()) &&
    topics.every((wanted, i) => wanted === null || [wanted].flat().includes(log.topics[i] ?? ''));
  return [...chain.mined()]
    .filter(({ block }) => block >= from && block <= to)
    .flatMap((mined) => (receiptDocument(mined) as { logs: Mined['logs'] }).logs.filter(fits));
}

async function execute(chain: JsChain, call: unknown) {
  const { from, to, data, input } = call as { from?: string; to?: string; data?: string; input?: string };
  const result = await chain.call(from, to, data ?? input ?? '0x');
  if (result.reverted) throw new RpcFault(3, 'execution reverted', result.data);
  return result;
}

function blockDocument(chain: JsChain, tag: unknown): object | null {
  const number =
    typeof tag === 'string' && tag.startsWith('0x') ? Number(tag) : tag === 'earliest' ? 0 : chain.height;
  const block = chain.block(number);
  if (!block) return null;
  return {
    number: quantity(block.number),
    hash: block.hash,
    parentHash: block.parentHash,
    timestamp: quantity(block.timestamp),
    gasLimit: quantity(30_000_000),
    gasUsed: quantity(0),
    baseFeePerGas: quantity(1_000_000_000),
    miner: `0x${'0'.repeat(40)}`,
    extraData: '0x',
    nonce: '0x0000000000000000',
    difficulty: '0x0',
    transactions: [],
  };
}

function receiptDocument(mined: Mined | undefined): object | null {
  if (!mined) return null;
  const place = {
    blockNumber: quantity(mined.block),
    blockHash: mined.blockHash,
    transactionHash: mined.hash,
  };
  return {
    ...place,
    transactionIndex: '0x0',
    from: mined.from,
    to: mined.to,
    contractAddress: mined.contract,
    status: mined.succeeded ? '0x1' : '0x0',
    gasUsed: quantity(mined.gasUsed),
    cumulativeGasUsed: quantity(mined.gasUsed),
    effectiveGasPrice: quantity(2_000_000_000),
    type: '0x2',
    logsBloom: `0x${'0'.repeat(512)}`,
    logs: mined.logs.map((log, index) => ({
      ...log,
      ...place,
      transactionIndex: '0x0',
      logIndex: quantity(index),
      removed: false,
    })),
  };
}

const quantity = (value: number | bigint): string => `0x${BigInt(value).toString(16)}`;
