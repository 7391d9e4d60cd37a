import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import helper from 'node-red-node-test-helper';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { selfSigned } from '../../../gateway/security/certificate.ts';
import { readLocalApi } from '../../../gateway/security/index.ts';
import { tcpGate } from '../../support/tcp-gate.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { until } from '../../support/until.ts';
import { CONFIG, gatewayNode, minute, runFlow, startGateway } from './harness.ts';

/** A gateway that asks who is there. */
let gateway: Awaited<ReturnType<typeof startGateway>>;
const secrets: Record<string, string> = {};

beforeAll(async () => {
  gateway = await startGateway({ ...CONFIG, auth: { anonymous: false } });
  const { token } = readLocalApi(`${gateway.folder}/data`)!;
  secrets.token = token;
  for (const [name, role] of Object.entries({ flows: 'integrator', sensor: 'device' })) {
    const answer = await fetch(`http://127.0.0.1:${gateway.ports.http}/api/v1/devices`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name, role }),
    });
    secrets[name] = ((await answer.json()) as { secret: string }).secret;
  }
  await new Promise<void>((resolve) => helper.startServer(resolve));
}, 60_000);
afterEach(() => helper.unload());
afterAll(async () => {
  await new Promise<void>((resolve) => helper.stopServer(resolve));
  await gateway.stop();
  gateway.remove();
});

const node = (id: string, type: string, more: object = {}) => ({
  id,
  type: `aimx-${type}`,
  z: 'tab',
  gateway: 'gw',
  wires: [['out']],
  ...more,
});
const out = (id = 'out') => ({ id, type: 'helper', z: 'tab', wires: [] });
const flow = (...nodes: object[]) => [
  { id: 'tab', type: 'tab' },
  gatewayNode(gateway.ports),
  ...nodes,
  out(),
];
const as = (user: string) => ({ gw: { user, password: secrets[user], token: secrets.token } });
const rows = Array.from({ length: 8 }, (_, n) => Object.values(minute(n)));

it('an integrator may what flows do; the use is billed to its name', async () => {
  const flows = await runFlow(
    flow(
      node('alarms', 'alarm-in', { severity: 'info', current: true }),
      node('write', 'reading-out', { stream: 'temps', qos: '2', wires: [] }),
      node('in', 'stream-in', { stream: 'temps', source: 'readings', start: 'oldest' }),
      node('ask', 'infer', { model: 'room-comfort', over: 'mqtt', wires: [['answers'], []] }),
      out('answers'),
    ),
    as('flows'),
  );
  flows.receive('write', { payload: { t: 1 }, device: 'anybody' });
  flows.receive('ask', { payload: rows });
  await until(
    () => flows.got('out').length > 0 && flows.got('answers').length > 0,
    'a reading and an answer',
  );
  expect(flows.got('answers')[0]!.inference).toMatchObject({ receipt: { account: 'consumer/flows' } });
  expect(flows.statuses('alarms')).not.toContain('common.status.forbidden');
});

it('a device may not read alarms or write for another, which holds up nothing behind it', async () => {
  const flows = await runFlow(
    flow(
      node('alarms', 'alarm-in', { severity: 'info', current: true }),
      node('write', 'reading-out', { stream: 'temps', qos: '1', wires: [] }),
      { id: 'completed', type: 'complete', z: 'tab', scope: ['write'], wires: [['stored']] },
      { id: 'catcher', type: 'catch', z: 'tab', scope: ['write'], wires: [['errors']] },
      out('stored'),
      out('errors'),
    ),
    as('sensor'),
  );
  await until(() => flows.statuses('alarms').at(-1) === 'common.status.forbidden', 'alarms to be refused');
  flows.receive('write', { payload: { t: 1 }, device: 'another' });
  flows.receive('write', { payload: { t: 2 }, device: 'sensor' });
  await until(
    () => flows.got('errors').length === 1 && flows.got('stored').length === 1,
    'both ends',
    25_000,
  );
  expect(flows.got('stored')[0]).toMatchObject({ device: 'sensor' });
  expect(flows.got('errors')[0]).toMatchObject({
    device: 'another',
    error: {
      message: expect.stringContaining('the connection ended 3 times at a message to aimx/s/temps/another'),
    },
  });
}, 40_000);

it('a wrong password and a wrong token are told', async () => {
  const flows = await runFlow(
    flow(node('state', 'status'), node('seen', 'device', { mode: 'watch', silent: '9' })),
    { gw: { user: 'flows', password: 'wrong', token: 'wrong' } },
  );
  await until(
    () =>
      flows.statuses('state').includes('common.status.disconnected') &&
      flows.statuses('seen').includes('common.status.forbidden'),
    'both to be refused',
  );
});

/** Ends TLS in front of a port. */
async function tlsBefore(port: number, certificate: object): Promise<TlsServer> {
  const server = createTlsServer(certificate, (near) => {
    const far = connect(port, '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on('error', () => [near, far].map((one) => one.destroy()));
  });
  // Of clients that do not believe the certificate.
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

it('goes over TLS, and to nobody whose certificate is not that of the authority', async () => {
  const folder = temporaryFolder();
  const certificate = selfSigned({ name: 'gw', hosts: ['127.0.0.1'], now: Date.now(), days: 1 });
  writeFileSync(join(folder, 'ca.pem'), certificate.cert);
  const servers = await Promise.all(
    [gateway.ports.mqtt, gateway.ports.http].map((port) => tlsBefore(port, certificate)),
  );
  const [mqtts, https] = servers.map((server) => (server.address() as AddressInfo).port);
  const over = (id: string, tls: string) => ({
    id,
    type: 'aimx-gateway',
    mqtt: `mqtts://127.0.0.1:${mqtts}`,
    http: `https://127.0.0.1:${https}`,
    tls,
  });
  const flows = await runFlow(
    [
      { id: 'tab', type: 'tab' },
      { id: 'tls', type: 'tls-config', ca: join(folder, 'ca.pem'), verifyservercert: true },
      over('gw', 'tls'),
      over('strict', ''),
      node('state', 'status'),
      node('seen', 'device', { mode: 'ask', wires: [['devices']] }),
      node('stranger', 'status', { gateway: 'strict' }),
      node('blind', 'device', { mode: 'watch', silent: '9', gateway: 'strict' }),
      out(),
      out('devices'),
    ],
    { ...as('flows'), strict: as('flows').gw },
  );
  flows.receive('seen', { payload: '' });
  await until(() => flows.got('devices').length === 1, 'the devices');
  await until(() => flows.statuses('state').includes('common.status.online'), 'the status');
  await until(
    () =>
      flows.statuses('stranger').includes('common.status.disconnected') &&
      flows.statuses('blind').includes('common.status.unreachable'),
    'the certificate to be refused',
  );
  await helper.unload();
  for (const server of servers) server.close();
});

it('a question is answered once although the connection broke after it was taken', async () => {
  const gate = await tcpGate(() => gateway.ports.mqtt);
  const nodes = flow(
    node('ask', 'infer', {
      model: 'room-comfort',
      over: 'mqtt',
      deadline: '20000',
      wires: [['out'], ['bad']],
    }),
    out('bad'),
  ).map((one) =>
    (one as { id: string }).id === 'gw' ? { ...one, mqtt: `mqtt://127.0.0.1:${gate.port}` } : one,
  );
  const flows = await runFlow(nodes, as('flows'));
  for (let n = 0; n < 3; n++) {
    await until(() => flows.statuses('ask').at(-1) !== 'common.status.disconnected', 'the connection');
    flows.receive('ask', { payload: rows, requestId: `order-${n}` });
    await gate.cut();
    await gate.mend();
  }
  await until(() => flows.got('out').length + flows.got('bad').length === 3, 'three answers', 25_000);
  expect(flows.got('bad')).toEqual([]);
  const ids = flows.got('out').map(({ inference }) => (inference as { id: string }).id);
  expect([...ids].sort()).toEqual([0, 1, 2].map((n) => `order-${n}`));
  await gate.close();
}, 40_000);

it('dialogs get lists; a token that is kept goes to the address it was deployed with only', async () => {
  await runFlow(flow(node('state', 'status')), as('flows'));
  const { http } = gateway.ports;
  const ask = (body: object) =>
    helper
      .request()
      .post('/aimx-gateway/lists')
      .send({ gateway: 'gw', ...body });
  const streams = await ask({ what: 'streams', http: `http://127.0.0.1:${http}` });
  expect(streams.body).toEqual([
    { value: 'temps', label: 'temps', topic: 'plant/{device}/temperature' },
    { value: 'room-climate', label: 'room-climate', topic: 'home/{device}/climate' },
  ]);
  const pipelines = await ask({ what: 'pipelines' });
  expect(pipelines.body).toEqual([
    { value: 'room-comfort', label: 'room-comfort (room-comfort@1)', topic: 'home/{device}/comfort' },
  ]);
  expect((await ask({ what: 'model', of: 'room-comfort' })).body).toMatchObject({
    inputs: [{ shape: [-1, 8, 5] }],
  });
  expect((await ask({ what: 'constructor' })).status).toBe(502);
  const heard: (string | undefined)[] = [];
  const other = createServer((request, response) => {
    heard.push(request.headers.authorization);
    response.end('[]');
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  expect((await ask({ what: 'streams', http: elsewhere })).body).toEqual([]);
  expect((await ask({ what: 'streams', http: elsewhere, token: 'typed' })).body).toEqual([]);
  expect(heard).toEqual([undefined, 'Bearer typed']);
  other.close();
});
