import { writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { retryAfterMs } from '../../../adapters/upstream-http/answer.ts';
import { createHttpSink } from '../../../adapters/upstream-http/index.ts';
import { Probe } from '../../../adapters/upstream-http/probe.ts';
import { upstreamSection } from '../../../gateway/config/schema.ts';
import type { Sink } from '../../../gateway/ports/sink.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { sinkContract, upstreamRecords } from '../../contracts/sink.ts';
import { manualClock } from '../../support/clock.ts';
import { tcpGate } from '../../support/tcp-gate.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { until } from '../../support/until.ts';

interface Request {
  readonly ids: readonly string[];
  readonly headers: IncomingHttpHeaders;
}

/** A server that keeps what it answers with 2xx. `answer` may decide otherwise, or never answer. */
async function receiver(answer: (request: Request, response: ServerResponse) => number | null = () => 204) {
  const received: string[] = [];
  const requests: Request[] = [];
  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('error', () => response.destroy());
    message.on('end', () => {
      const lines = Buffer.concat(chunks).toString().split('\n').slice(0, -1);
      const request = {
        ids: lines.map((line) => (JSON.parse(line) as { id: string }).id),
        headers: message.headers,
      };
      requests.push(request);
      const status = answer(request, response);
      if (status === null) return;
      if (status < 300) received.push(...request.ids);
      response.writeHead(status).end(status < 300 ? undefined : 'the reason');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as { port: number }).port, received, requests };
}

function open(port: number, http: Record<string, unknown> = {}): Sink {
  const url = `http://127.0.0.1:${port}/in?x=1`;
  const upstream = upstreamSection.parse({ id: 'cloud', http: { url, batch: 64, timeout: '5s', ...http } });
  return createHttpSink({ upstream, gateway: 'gw', clock: systemClock() });
}

const signal = new AbortController().signal;

describe('the contract', () => {
  sinkContract(async () => {
    const server = await receiver();
    const gate = await tcpGate(() => server.port);
    onTestFinished(() => gate.close());
    return {
      open: () => open(gate.port),
      received: () => server.received,
      cut: gate.cut,
      restore: gate.mend,
    };
  });
});

test('requests carry an idempotency key that stays the same for the same records', async () => {
  const server = await receiver();
  const sink = open(server.port);
  const records = upstreamRecords(3);
  await sink.deliver(records, signal);
  await sink.deliver(records, signal);
  await sink.deliver(records.slice(0, 1), signal);
  const [first, second, third] = server.requests.map(({ headers }) => headers['idempotency-key']);
  expect(first).toBe(second);
  expect(first).toMatch(/^"[0-9a-f]{64}"$/);
  expect(third).toBe(`"${records[0]!.id}"`);
  expect(server.requests[0]!.headers['content-type']).toBe('application/x-ndjson');
});

test('the one record that the receiver refuses is found, those around it arrive', async () => {
  const records = upstreamRecords(50);
  const poison = records[37]!.id;
  const server = await receiver(({ ids }) => (ids.includes(poison) ? 422 : 200));
  const sink = open(server.port);
  expect(await sink.deliver(records, signal)).toEqual({
    kind: 'refused',
    index: 37,
    reason: expect.stringContaining('422: the reason'),
  });
  expect(server.received).toEqual(records.slice(0, 37).map(({ id }) => id));
  expect(await sink.deliver(records.slice(38), signal)).toEqual({ kind: 'delivered' });
});

test.each([401, 403, 404, 408, 429, 500, 503, 301])(
  '%i says nothing about the records: they wait',
  async (status) => {
    const server = await receiver(() => status);
    expect(await open(server.port).deliver(upstreamRecords(2), signal)).toMatchObject({
      kind: 'unavailable',
      reason: expect.stringContaining(String(status)),
    });
  },
);

test('Retry-After is passed on, in seconds and as a date', async () => {
  const server = await receiver((_request, response) => {
    response.setHeader('retry-after', '7');
    return 503;
  });
  expect(await open(server.port).deliver(upstreamRecords(1), signal)).toMatchObject({ retryAfterMs: 7000 });
  const now = Date.UTC(2026, 0, 1);
  expect(retryAfterMs(new Date(now + 5000).toUTCString(), now)).toBe(5000);
  expect(retryAfterMs('soon', now)).toBeUndefined();
});

test('a receiver that takes a request and never answers is given up', async () => {
  const server = await receiver(() => null);
  expect(await open(server.port, { timeout: '50ms' }).deliver(upstreamRecords(1), signal)).toEqual({
    kind: 'unavailable',
    reason: 'no answer in 50 ms',
  });
});

test('a token file is read anew for each request, and its absence is a reason', async () => {
  const server = await receiver();
  const bearerFile = join(temporaryFolder(), 'token');
  const sink = open(server.port, { bearerFile });
  expect(await sink.deliver(upstreamRecords(1), signal)).toMatchObject({
    kind: 'unavailable',
    reason: expect.stringContaining('ENOENT'),
  });
  writeFileSync(bearerFile, 'secret-1\n');
  await sink.deliver(upstreamRecords(1), signal);
  writeFileSync(bearerFile, 'secret-2\n');
  await sink.deliver(upstreamRecords(1), signal);
  expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
    'Bearer secret-1',
    'Bearer secret-2',
  ]);
});

test('says at once when a receiver that could not be connected to is back', async () => {
  const server = await receiver();
  const gate = await tcpGate(() => server.port);
  onTestFinished(() => gate.close());
  await gate.cut();
  const sink = open(gate.port);
  onTestFinished(() => sink.stop());
  let times = 0;
  sink.onReady(() => times++);
  expect(await sink.deliver(upstreamRecords(1), signal)).toEqual({
    kind: 'unavailable',
    reason: 'ECONNREFUSED',
  });
  expect(times).toBe(0);
  await gate.mend();
  await until(() => times > 0, 'word that the receiver is back');
  expect(await sink.deliver(upstreamRecords(1), signal)).toEqual({ kind: 'delivered' });
  expect(times).toBe(1);
});

describe('watching the address', () => {
  const back = { times: 0 };
  const watch = (port: number) => {
    const clock = manualClock();
    back.times = 0;
    const probe = new Probe({
      url: new URL(`http://127.0.0.1:${port}/`),
      clock,
      random: () => 0.5,
      onBack: () => back.times++,
    });
    onTestFinished(() => probe.stop());
    return { clock, probe };
  };
  const connections = async () => {
    let count = 0;
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined).resume();
      socket.once('close', () => count++);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    return { port: (server.address() as { port: number }).port, ended: () => count };
  };

  test('a server that takes connections was never away, and is looked at once', async () => {
    const server = await connections();
    const { clock, probe } = watch(server.port);
    probe.start(false);
    clock.advance(1000);
    await until(() => server.ended() === 1, 'the first look');
    clock.advance(10_000);
    expect(back.times).toBe(0);
  });

  test('it is told that a place known to be away is back, and ends when stopped', async () => {
    const server = await connections();
    const { clock, probe } = watch(server.port);
    probe.start(true);
    clock.advance(1000);
    await until(() => back.times === 1, 'word');
    probe.start(true);
    probe.stop();
    clock.advance(10_000);
    await until(() => server.ended() === 1, 'the end of the first look');
    expect(back.times).toBe(1);
  });
});

test('an address that is not HTTP is refused at the start', async () => {
  const upstream = upstreamSection.parse({ id: 'x', http: { url: 'ftp://h/' } });
  const sink = createHttpSink({ upstream, gateway: 'gw', clock: systemClock() });
  await expect(sink.start(signal)).rejects.toMatchObject({ code: 'UPSTREAM_SINK' });
});
