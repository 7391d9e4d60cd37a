import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { configSchema } from '../../gateway/config/schema.ts';
import { createGateway } from '../../gateway/gateway.ts';
import { readLocalApi } from '../../gateway/security/index.ts';
import { recordingLog } from '../support/log.ts';
import { MqttSocket } from '../support/mqtt-socket.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, { content?: Record<string, { schema: object }> }>>;
  readonly security?: readonly object[];
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Record<string, object> };
}

/** What is served and not described: the pages, and the editor of flows that belongs to Node-RED. */
const PAGES = /^(\/|\/web\/.*|\/flows(\/.*)?)$/;

type Running = Awaited<ReturnType<typeof startGateway>>;

/** A gateway that has done a little of everything that can be looked at. */
async function startGateway() {
  const folder = temporaryFolder();
  const file = join(folder, 'gateway.yaml');
  const config = configSchema.parse({
    gateway: { name: 'gw', dataDir: join(folder, 'data') },
    listen: { mqtt: { port: 0 }, coap: { port: 0 }, http: { port: 0 } },
    auth: { anonymous: true },
    durability: 'normal',
    streams: [{ id: 't', decode: 'text', fields: { value: {} } }],
    pipelines: [{ id: 'p', from: 't', window: { count: 64, every: 1 }, model: 'streaming-anomaly' }],
    upstream: [{ id: 'away', http: { url: 'http://127.0.0.1:1/' }, send: ['results'] }],
  });
  let restarted = 0;
  const gateway = createGateway({ config, log: recordingLog(), file, restart: () => void restarted++ });
  await gateway.start(AbortSignal.timeout(30_000));
  const client = await MqttSocket.connect(gateway.addresses[0]!);
  for (let n = 1; n <= 70; n++) client.publish('aimx/s/t/oven', String(20 + (n % 7)), 1, n);
  client.publish('aimx/s/t/oven', 'no number', 1, 71);
  await until(async () => (await gateway.views.receipts({ limit: 9 })).length > 0, 'a receipt', 20_000);
  const { url, token } = readLocalApi(config.gateway.dataDir)!;
  const get = (path: string, headers: Record<string, string> = { authorization: `Bearer ${token}` }) =>
    fetch(url + path, { headers });
  return { gateway, client, url, get, token, restarts: () => restarted };
}

/** Describes every route that is served, and no other. */
function everyRouteIsDescribed(running: Running, document: Document): void {
  const served = running.gateway.routes
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
    .filter((one) => !PAGES.test(one.split(' ')[1]!) && !one.startsWith('HEAD '));
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(described.toSorted()).toEqual([...new Set(served)].toSorted());
}

/** Names operations, parameters, errors and who may call. */
function operationsAreNamed(document: Document): void {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { path, operation } of operations) {
    const named = operation.parameters.filter((one) => one.in === 'path').map(({ name }) => name);
    expect(named, path).toEqual([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]));
    expect(operation.responses.default, path).toBeDefined();
  }
  const save = document.paths['/api/v1/settings']!.put!;
  expect(Object.keys(save.responses)).toEqual(
    expect.arrayContaining(['200', '400', '401', '403', '409', '412', '422', '428', '503', 'default']),
  );
  expect(document.paths['/api/v1/session']!.post!.security).toEqual([]);
  expect(JSON.stringify(document)).not.toContain('"$schema"');
}

/** Is what a running gateway answers. */
async function answersFitTheirSchemas(running: Running, document: Document): Promise<void> {
  const { get } = running;
  const [receipt] = (await (await get('/api/v1/receipts')).json()) as [{ place: string }];
  const known: Readonly<Record<string, string>> = {
    stream: 't',
    pipeline: 'p',
    name: 'streaming-anomaly',
    model: 'streaming-anomaly',
    receipt: receipt.place,
  };
  const skipped = /events|\/v2\/|metrics|\/feed/;
  let checked = 0;
  for (const [path, { get: operation }] of Object.entries(document.paths)) {
    if (!operation || skipped.test(path)) continue;
    const of = path.includes('/devices/') ? { ...known, name: 'oven' } : known;
    const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(of[name] ?? '1'));
    const response = await get(url);
    const schema = operation.responses[String(response.status)]?.content?.['application/json']?.schema;
    const body: unknown = await response.json();
    expect(schema, `${url} answered ${response.status}: ${JSON.stringify(body).slice(0, 200)}`).toBeDefined();
    const resolved = JSON.parse(
      JSON.stringify(schema).replaceAll(
        '{"$ref":"#/components/schemas/Error"}',
        JSON.stringify(document.components.schemas.Error),
      ),
    ) as Parameters<typeof z.fromJSONSchema>[0];
    expect(z.fromJSONSchema(resolved).safeParse(body).error, url).toBeUndefined();
    checked++;
  }
  expect(checked).toBeGreaterThan(25);
}

/** Holds for who may come in: nothing but what is open, without a login. */
async function onlyWhatIsOpenIsOpen(running: Running, document: Document): Promise<void> {
  const { get } = running;
  for (const [path, { get: operation }] of Object.entries(document.paths)) {
    if (!operation || path.startsWith('/v2')) continue;
    const url = path.replaceAll(/\{(\w+)\}/g, '1');
    const { status } = await get(url, { authorization: 'Bearer of.nobody' });
    const open = operation.security?.length === 0;
    expect(status === 401, `${path}: ${status}`).toBe(!open);
  }
}

/** Streams what happens. */
async function eventsCome({ client, get, gateway }: Running): Promise<void> {
  const stop = new AbortController();
  const response = await get('/api/v1/events?topics=status,alarms,readings:t,results:p:oven');
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  let text = '';
  const reading = (async () => {
    for await (const chunk of response.body!) {
      text += Buffer.from(chunk).toString();
      if (stop.signal.aborted) return;
    }
  })();
  await until(() => text.includes('event: status'), 'the status', 20_000);
  client.publish('aimx/s/t/oven', '90', 1, 100);
  await until(() => text.includes('event: readings') && text.includes('event: results'), 'events', 20_000);
  expect(text).toMatch(/event: readings\ndata: \{"stream":"t","series":\[\{"device":"oven","field":"value"/);
  await gateway.stop();
  stop.abort();
  await reading.catch(() => undefined);
}

/** Settings are checked, saved only over what was seen, and take effect with a restart. */
async function settingsAreSaved({ url, token, restarts }: Running): Promise<void> {
  const send = async (method: string, path: string, body?: object, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const answer = (await response.json()) as { etag: string; error?: { code: string } };
    return { status: response.status, etag: response.headers.get('etag'), answer };
  };
  const seen = await send('GET', '/settings');
  expect(seen).toMatchObject({ status: 200, etag: seen.answer.etag });
  const text = 'gateway: { name: other }\n';
  const dry = await send('POST', '/settings/check', { text });
  expect(dry.answer).toMatchObject({ valid: true, restart: true });
  expect((await send('PUT', '/settings', { text })).status).toBe(428);
  expect((await send('PUT', '/settings', { text }, { 'if-match': '"old"' })).status).toBe(412);
  const broken = await send('PUT', '/settings', { text: 'gateway: 5' }, { 'if-match': seen.etag! });
  expect([broken.status, broken.answer.error]).toMatchObject([
    422,
    { code: 'CONFIG_INVALID', issues: [{ line: 1 }] },
  ]);
  const saved = await send('PUT', '/settings', { text }, { 'if-match': seen.etag! });
  expect(saved).toMatchObject({ status: 200, answer: { restart: true, backup: null } });
  expect((await send('POST', '/restart', {})).status).toBe(202);
  await until(() => restarts() === 1, 'the restart');
}

it('the OpenAPI document and a running gateway agree', async () => {
  const running = await startGateway();
  onTestFinished(async () => {
    running.client.end();
    await running.gateway.stop();
  });
  const document = (await (await running.get('/api/v1/openapi.json')).json()) as Document;
  everyRouteIsDescribed(running, document);
  operationsAreNamed(document);
  await answersFitTheirSchemas(running, document);
  await onlyWhatIsOpenIsOpen(running, document);
  await settingsAreSaved(running);
  await eventsCome(running);
}, 90_000);
