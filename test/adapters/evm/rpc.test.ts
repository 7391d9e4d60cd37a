import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { JsonRpc } from '../../../adapters/evm/rpc.ts';

it('asks anew when the server closes a kept connection just as it is used again', async () => {
  const seen = new Map<unknown, number>();
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    const uses = (seen.get(request.socket) ?? 0) + 1;
    seen.set(request.socket, uses);
    if (uses > 1) {
      request.socket.destroy();
      return;
    }
    request.resume().on('end', () => {
      response.end(JSON.stringify([{ jsonrpc: '2.0', id: requests === 1 ? 1 : 2, result: '0x1' }]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const rpc = new JsonRpc(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => rpc.close());
  expect(await rpc.call('eth_chainId')).toBe('0x1');
  expect(await rpc.call('eth_chainId')).toBe('0x1');
  expect(requests).toBe(3);
});

it('goes on with the next node where one does not answer, and stays with it', async () => {
  const asked: string[] = [];
  const node = async (name: string, answers: () => boolean) => {
    const server = createServer((request, response) => {
      asked.push(name);
      if (!answers()) return void response.writeHead(503).end('busy');
      const chunks: Buffer[] = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        const [{ id }] = JSON.parse(Buffer.concat(chunks).toString()) as [{ id: number }];
        response.end(JSON.stringify([{ jsonrpc: '2.0', id, result: name }]));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  let up = { a: false, b: true };
  const [a, b] = [await node('a', () => up.a), await node('b', () => up.b)];
  const rpc = new JsonRpc(`http://127.0.0.1:1, ${a},${b}`);
  onTestFinished(() => rpc.close());
  expect([await rpc.call('x'), await rpc.call('x')]).toEqual(['b', 'b']);
  expect(asked).toEqual(['a', 'b', 'b']);
  up = { a: true, b: false };
  expect(await rpc.call('x')).toBe('a');
  up = { a: false, b: false };
  await expect(rpc.call('x')).rejects.toThrow(/HTTP 503|ECONNREFUSED/);
  rpc.close();
  await expect(rpc.call('x')).rejects.toThrow('closed');
});
