import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createHttpLink, type HttpLinkOptions } from '../../../adapters/payer-link/index.ts';

const SIGNAL = new AbortController().signal;

async function link(answer: RequestListener, options: Partial<HttpLinkOptions> = {}) {
  const server = createServer(answer);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return createHttpLink({ url, timeoutMs: 2000, ...options });
}

test('sends the bytes it is given, and gives the bytes that came', async () => {
  let asked = '';
  const there = await link(
    (request, response) => {
      request.on('data', (chunk: Buffer) => {
        asked += `${request.method} ${request.url} ${request.headers.authorization} ${chunk.toString()}`;
        response.setHeader('inference-header-content-length', '2').end('{}binary');
      });
    },
    { token: 'secret' },
  );
  const answer = await there.infer('a b@2', 'id', Buffer.from('{"x":1}'), SIGNAL);
  expect(asked).toBe('POST /v2/models/a%20b/versions/2/infer Bearer secret {"x":1}');
  expect(answer).toEqual({
    ok: true,
    value: { body: new Uint8Array(Buffer.from('{}binary')), headerBytes: 2 },
  });
});

test('tells coded errors from everything else that can come over a connection', async () => {
  const coded = await link((_, response) =>
    response.writeHead(402).end('{"error":"no","code":"CHANNEL_CEILING"}'),
  );
  expect(await coded.infer('m', 'id', Buffer.from('{}'), SIGNAL)).toMatchObject({
    ok: true,
    value: { error: { code: 'CHANNEL_CEILING', message: 'no' } },
  });
  const api = await link((_, response) =>
    response.writeHead(409).end('{"error":{"code":"CHANNEL_SIGNER","message":"no"}}'),
  );
  expect(await api.deliver('0x', 'ack', {})).toMatchObject({
    ok: false,
    kind: 'refused',
    code: 'CHANNEL_SIGNER',
  });
  const proxy = await link((_, response) => response.writeHead(502).end('<html>'));
  expect(await proxy.infer('m', 'id', Buffer.from('{}'), SIGNAL)).toMatchObject({
    ok: false,
    kind: 'unreachable',
  });
  expect(await proxy.deliver('0x', 'ack', {})).toMatchObject({ ok: false, kind: 'unreachable' });
  const busy = await link((_, response) =>
    response.writeHead(429).end('{"error":{"code":"QUEUE_FULL","message":"no"}}'),
  );
  expect(await busy.deliver('0x', 'ack', {})).toMatchObject({ ok: false, kind: 'unreachable' });
  const strange = await link((_, response) => response.end('[1'));
  expect(await strange.receipts!('0x', 1, 10)).toMatchObject({ ok: false, kind: 'unreachable' });
  const cut = await link((request) => request.socket.destroy());
  expect(await cut.offer!()).toMatchObject({ ok: false, kind: 'unreachable' });
});

test('an answer without end, and one that never comes', async () => {
  const endless = await link(
    (_, response) => {
      const more = (): void => {
        while (response.write('x'.repeat(65_536)));
      };
      response.on('drain', more);
      more();
    },
    { maxBytes: 100_000 },
  );
  expect(await endless.channel!('0x')).toMatchObject({ ok: false, reason: 'the answer is too large' });
  const silent = await link(() => undefined, { timeoutMs: 50 });
  expect(await silent.infer('m', 'id', Buffer.from('{}'), SIGNAL)).toMatchObject({
    ok: false,
    kind: 'unreachable',
  });
  const stop = new AbortController();
  const patient = await link(() => undefined);
  const asking = patient.infer('m', 'id', Buffer.from('{}'), stop.signal);
  stop.abort();
  expect(await asking).toMatchObject({ ok: false, kind: 'unreachable' });
});
