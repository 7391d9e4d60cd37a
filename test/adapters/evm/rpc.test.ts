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
