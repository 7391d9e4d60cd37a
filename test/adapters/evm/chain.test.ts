import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createEvmChain } from '../../../adapters/evm/index.ts';
import { keccak } from '../../../gateway/billing/formats/bytes.ts';
import { deviceSigner } from '../../../gateway/billing/keys/device-key.ts';

const signer = deviceSigner(keccak(Buffer.from('a device')));
const DEVICE = signer.address;
const LEDGER = `0x${'0a'.repeat(20)}`;

/** A node that answers as told; `answers` maps a method to its result, or to an error when it has a `code`. */
async function node(answers: Record<string, unknown>, listener?: RequestListener) {
  const server = createServer(
    listener ??
      ((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk) => chunks.push(chunk));
        request.on('end', () => {
          const calls = JSON.parse(Buffer.concat(chunks).toString()) as { id: number; method: string }[];
          const body = calls.map(({ id, method }) => {
            const answer = answers[method];
            const failed = typeof answer === 'object' && answer !== null && 'code' in answer;
            return { jsonrpc: '2.0', id, ...(failed ? { error: answer } : { result: answer ?? null }) };
          });
          response.end(JSON.stringify(body.toReversed())); // a batch may be answered in any order
        });
      }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const options = { rpcUrl: `http://127.0.0.1:${port}`, chainId: 5, ledger: LEDGER, confirmations: 2 };
  // Short only where there may never be an answer: a busy machine may take a while to give one.
  const chain = createEvmChain({ ...options, timeoutMs: listener ? 300 : 10_000 });
  onTestFinished(() => chain.close());
  return chain;
}

const word = (n: number) => n.toString(16).padStart(64, '0');
const HEAD = `0x${word(7)}${word(12)}${word(3)}${word(900)}`;
const HEALTHY = {
  eth_chainId: '0x5',
  eth_getBlockByNumber: { number: '0x10', timestamp: '0x6a', baseFeePerGas: '0x3b9aca00' },
  eth_getBalance: '0x5',
  eth_maxPriorityFeePerGas: '0x2',
  eth_call: HEAD,
  eth_getTransactionCount: '0x4',
};

test('looks at the chain', async () => {
  const chain = await node(HEALTHY);
  expect(await chain.view(DEVICE)).toMatchObject({
    ok: true,
    value: {
      block: 16,
      nonce: 4,
      time: 0x6a,
      coins: 5n,
      baseFee: 1_000_000_000n,
      tip: 2n,
      head: { toSeq: 12, batches: 3, total: 900n },
      finalHead: { toSeq: 12 },
    },
  });
});

test.each<[string, Record<string, unknown>, string]>([
  ['another chain', { eth_chainId: '0x1' }, 'wrong'],
  ['no contract at the address', { eth_call: '0x' }, 'wrong'],
  ['another contract at the address', { eth_call: `0x${word(1)}` }, 'wrong'],
  ['a node that is still starting', { eth_getBlockByNumber: null }, 'unreachable'],
  [
    'a node that has lost the block',
    { eth_getTransactionCount: { code: -32000, message: 'header not found' } },
    'unreachable',
  ],
])('%s is a value', async (_, change, code) => {
  const chain = await node({ ...HEALTHY, ...change });
  expect(await chain.view(DEVICE)).toMatchObject({ ok: false, code });
});

test.each<[string, RequestListener]>([
  ['silence', () => {}],
  ['a closed connection', (request) => void request.socket.destroy()],
  ['HTTP 503', (_, response) => void response.writeHead(503).end('busy')],
  ['not JSON', (_, response) => void response.end('<html>')],
  ['JSON that is no answer', (_, response) => void response.end('{"jsonrpc":"2.0"}')],
  ['an answer without end', (_, response) => void response.end(Buffer.alloc(5 * 1024 * 1024, ' '))],
])('%s is a value, in time', async (_, listener) => {
  const chain = await node({}, listener);
  expect(await chain.view(DEVICE)).toMatchObject({ ok: false, code: 'unreachable' });
});

test('nobody listening is a value, and so is a closed chain', async () => {
  const options = { rpcUrl: 'http://127.0.0.1:1', chainId: 5, ledger: LEDGER, confirmations: 2 };
  const chain = createEvmChain(options);
  expect(await chain.view(DEVICE)).toMatchObject({ ok: false, code: 'unreachable' });
  chain.close();
  expect(await chain.broadcast(new Uint8Array(3))).toMatchObject({ ok: false, code: 'unreachable' });
});

test.each([
  ['already known', undefined],
  ['AlreadyKnown', undefined],
  ['Known transaction: 0x12', undefined],
  ['transaction already imported', undefined],
  ['nonce too low: next nonce 5, tx nonce 4', 'nonce'],
  ['replacement transaction underpriced', 'underpriced'],
  ['max fee per gas less than block base fee: address 0x1, maxFeePerGas: 2', 'underpriced'],
  ['insufficient funds for gas * price + value', 'refused'],
])('a node that says "%s" is understood', async (message, code) => {
  const chain = await node({ eth_sendRawTransaction: { code: -32000, message } });
  const answer = await chain.broadcast(new Uint8Array(3));
  expect(answer.ok ? undefined : answer.code).toBe(code);
});

test('tells where a transaction is', async () => {
  const receipt = { blockNumber: '0x9', status: '0x0', gasUsed: '0x64' };
  const there = await node({ eth_getTransactionReceipt: receipt });
  const value = { block: 9, succeeded: false, gasUsed: 100 };
  expect(await there.outcome(new Uint8Array(32))).toEqual({ ok: true, value });
  const nowhere = await node({});
  expect(await nowhere.outcome(new Uint8Array(32))).toEqual({ ok: true, value: null });
});
