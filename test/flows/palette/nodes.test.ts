import helper from 'node-red-node-test-helper';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../support/until.ts';
import { deploy, device, gatewayNode, minute, runFlow, runtimeEvents, startGateway } from './harness.ts';

let gateway: Awaited<ReturnType<typeof startGateway>>;

beforeAll(async () => {
  gateway = await startGateway();
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
const tab = { id: 'tab', type: 'tab' };
const flow = (...nodes: object[]) => [tab, gatewayNode(gateway.ports), ...nodes];
const rows = Array.from({ length: 8 }, (_, n) => Object.values(minute(n)));

describe('readings', () => {
  it('go into the journal, and come out of it whatever door they came in by', async () => {
    const flows = await runFlow(
      flow(
        node('in', 'stream-in', { stream: 'temps', source: 'readings', start: 'new', field: 'value' }),
        node('raw', 'stream-in', {
          stream: 'temps',
          source: 'messages',
          topic: 'plant/{device}/temperature',
          device: 'press-2',
          wires: [['messages']],
        }),
        node('write', 'reading-out', { stream: 'temps', qos: '1', wires: [] }),
        node('sums', 'aggregate-in', {
          aggregate: 'temps-1s',
          start: 'oldest',
          field: 'value.count',
          wires: [['aggregates']],
        }),
        out(),
        out('messages'),
        out('aggregates'),
      ),
    );
    await until(() => flows.statuses('in').includes('common.status.connected'), 'the feed to be followed');
    flows.receive('write', { payload: { t: 21.5 }, device: 'press-1' });
    await until(() => flows.got('out').length === 1, 'the reading of the flow');
    const posted = await fetch(`http://127.0.0.1:${gateway.ports.http}/s/temps/press-3`, {
      method: 'POST',
      body: '{"t": 7}',
    });
    expect(posted.status).toBe(204);
    const press = await device(gateway.ports.mqtt);
    await until(() => flows.statuses('raw').includes('common.status.connected'), 'the connection');
    await press.publishAsync('plant/press-2/temperature', '{"t": 8}', { qos: 1 });
    await until(() => flows.got('out').length === 3, 'the readings of both doors');
    expect(flows.got('out')).toMatchObject([
      { payload: 21.5, device: 'press-1', stream: 'temps', topic: 'temps/press-1', seq: 1 },
      { payload: 7, device: 'press-3', seq: 2 },
      { payload: 8, device: 'press-2', seq: 3 },
    ]);
    await until(() => flows.got('messages').length === 1, 'the message as it is');
    expect(flows.got('messages')[0]).toMatchObject({ payload: { t: 8 }, device: 'press-2', stream: 'temps' });
    await until(() => flows.got('aggregates').length >= 3, 'aggregates');
    expect(flows.got('aggregates')[0]).toMatchObject({ payload: 1, aggregate: { stream: 'temps' } });
    await press.endAsync();
  });

  it('that cannot be one are an error, and what comes behind goes on', async () => {
    const flows = await runFlow(
      flow(
        node('write', 'reading-out', { stream: 'temps', device: 'a', qos: '1', wires: [] }),
        { id: 'catcher', type: 'catch', z: 'tab', scope: ['write'], wires: [['out']] },
        { id: 'completed', type: 'complete', z: 'tab', scope: ['write'], wires: [['stored']] },
        out(),
        out('stored'),
      ),
    );
    flows.receive('write', { payload: Number.NaN });
    flows.receive('write', { payload: { t: 1 } });
    await until(() => flows.got('stored').length === 1, 'the reading');
    expect(flows.got('out')).toMatchObject([
      { error: { message: expect.stringContaining('NaN is no reading') } },
    ]);
  });

  it('are followed on from where it stopped', async () => {
    const nodes = flow(
      node('in', 'stream-in', { stream: 'temps', source: 'readings', start: 'resume' }),
      out(),
    );
    const flows = await runFlow(nodes);
    await until(() => flows.statuses('in').includes('common.status.connected'), 'the feed');
    const cursor = helper.getNode('in').context().get('cursor') as { seq: number };
    expect(cursor).toMatchObject({ of: 'readings/temps' });
    expect(cursor.seq).toBeGreaterThan(3);
    expect(flows.got('out')).toEqual([]);
  });
});

describe('infer', () => {
  it.each(['mqtt', 'http'])('answers over %s, a batch in one request', async (over) => {
    const flows = await runFlow(
      flow(
        node('ask', 'infer', {
          model: 'room-comfort',
          over,
          batch: '3',
          wait: '1000',
          deadline: '5000',
          wires: [['out'], ['bad']],
        }),
        out(),
        out('bad'),
      ),
    );
    for (const name of ['a', 'b', 'c']) flows.receive('ask', { payload: rows, device: name });
    await until(() => flows.got('out').length + flows.got('bad').length === 3, 'three answers');
    expect(flows.got('bad')).toEqual([]);
    const answers = flows.got('out') as {
      device: string;
      payload: { occupancy: number; comfort: string };
      inference: { id: string; receipt: unknown; model: string };
    }[];
    expect(answers.map((answer) => answer.device)).toEqual(['a', 'b', 'c']);
    expect(answers[0]!.payload.occupancy).toBeGreaterThan(0.5);
    expect(answers[0]!.payload.comfort).toBe('comfortable');
    expect(new Set(answers.map(({ inference }) => inference.id)).size).toBe(1);
    expect(answers[0]!.inference).toMatchObject({
      model: 'room-comfort',
      version: '1',
      receipt: { account: 'consumer/anonymous' },
    });
  });

  it('gives what cannot be answered to its second output, or to catch nodes', async () => {
    const flows = await runFlow(
      flow(
        node('ask', 'infer', { model: '', over: 'mqtt', wires: [['out'], ['bad']] }),
        node('caught', 'infer', { model: 'room-comfort', over: 'mqtt', wires: [['out'], []] }),
        { id: 'catcher', type: 'catch', z: 'tab', scope: ['caught'], wires: [['errors']] },
        out(),
        out('bad'),
        out('errors'),
      ),
    );
    flows.receive('ask', { payload: rows });
    flows.receive('ask', { payload: rows, model: 'no-such-model' });
    flows.receive('ask', { payload: [1, 2], model: 'room-comfort' });
    flows.receive('ask', {
      payload: rows,
      model: 'room-comfort',
      parameters: { deadline_ms: 1, priority: -1 },
    });
    flows.receive('caught', { payload: [[1]] });
    await until(() => flows.got('bad').length === 4 && flows.got('errors').length === 1, 'all errors');
    const codes = flows.got('bad').map((message) => (message.error as { code: string }).code);
    expect(codes.sort()).toEqual(['INPUT', 'MODEL_MISSING', 'NO_MODEL', 'REQUEST_INVALID']);
    expect((flows.got('errors')[0]!.error as { message: string }).message).toContain('takes [any, 8, 5]');
    expect(flows.got('out')).toEqual([]);
  });

  it('the same id is answered once and billed once', async () => {
    const flows = await runFlow(
      flow(
        node('ask', 'infer', { model: 'room-comfort', over: 'mqtt', wires: [['out'], ['bad']] }),
        node('bills', 'receipt', {
          account: 'consumer/anonymous',
          mode: 'ask',
          limit: '50',
          wires: [['receipts']],
        }),
        out(),
        out('bad'),
        out('receipts'),
      ),
    );
    flows.receive('ask', { payload: rows, requestId: 'order-1' });
    await until(() => flows.got('out').length === 1, 'the answer');
    flows.receive('ask', { payload: rows, requestId: 'order-1' });
    await until(() => flows.got('out').length === 2, 'the answer again');
    flows.receive('bills', { payload: '' });
    await until(() => flows.got('receipts').length === 1, 'the receipts');
    const [bills] = flows.got('receipts') as unknown as [
      { payload: { requestId: string }[]; total: { symbol: string } },
    ];
    expect(bills.payload.filter(({ requestId }) => requestId === 'order-1')).toHaveLength(1);
    expect(bills.total.symbol).toBe('AIMX');
  });
});

describe('results, windows, devices, status', () => {
  it('results come once, over MQTT and off the journal', async () => {
    const flows = await runFlow(
      flow(
        node('live', 'result-in', {
          pipeline: 'room-comfort',
          source: 'published',
          topic: 'home/{device}/comfort',
        }),
        node('all', 'result-in', {
          pipeline: 'room-comfort',
          source: 'journal',
          start: 'oldest',
          wires: [['kept']],
        }),
        node('rooms', 'stream-in', {
          stream: 'room-climate',
          source: 'readings',
          start: 'new',
          wires: [['win']],
        }),
        {
          id: 'win',
          type: 'aimx-window',
          z: 'tab',
          kind: 'count',
          size: '8',
          every: '1',
          fields: 'temperature, motion',
          wires: [['windows']],
        },
        out(),
        out('kept'),
        out('windows'),
      ),
    );
    for (const id of ['live', 'all', 'rooms'])
      await until(() => flows.statuses(id).includes('common.status.connected'), id);
    const room = await device(gateway.ports.mqtt);
    for (let n = 0; n < 9; n++)
      await room.publishAsync('home/kitchen/climate', JSON.stringify(minute(n)), { qos: 1 });
    await until(() => flows.got('out').length === 2 && flows.got('kept').length === 2, 'two results each');
    expect(flows.got('out')[0]).toMatchObject({ device: 'kitchen', payload: { comfort: 'comfortable' } });
    expect(flows.got('kept').map(({ result }) => result)).toEqual(
      flows.got('out').map(({ result }) => result),
    );
    await until(() => flows.got('windows').length === 2, 'two windows');
    expect(flows.got('windows')[0]).toMatchObject({ device: 'kitchen', payload: Array(8).fill([21.5, 1]) });
    await room.endAsync();
  });

  it('tells of devices, of the gateway and its alarms', async () => {
    const flows = await runFlow(
      flow(
        node('state', 'status'),
        node('seen', 'device', { mode: 'ask', wires: [['devices']] }),
        node('silent', 'device', { mode: 'watch', device: 'kitchen', silent: '1', wires: [['silences']] }),
        node('alarms', 'alarm-in', { severity: 'info', current: true, wires: [['raised']] }),
        out(),
        out('devices'),
        out('silences'),
        out('raised'),
      ),
    );
    await until(() => flows.got('out').length === 1, 'the status');
    expect(flows.got('out')[0]).toMatchObject({ payload: 'online', status: { gateway: 'gw' } });
    flows.receive('state', { payload: '' });
    flows.receive('seen', { device: 'kitchen' });
    await until(() => flows.got('out').length === 2 && flows.got('devices').length === 1, 'the answers');
    expect(flows.got('out')[1]!.payload).toMatchObject({ state: 'ready', gateway: 'gw' });
    expect(flows.got('devices')[0]!.payload).toMatchObject({ name: 'kitchen', lastSeen: expect.any(Number) });
    await until(() => flows.got('silences').length === 1, 'the silence');
    expect(flows.got('silences')[0]).toMatchObject({ payload: 'silent', device: 'kitchen' });
    const press = await device(gateway.ports.mqtt);
    await press.publishAsync('home/kitchen/climate', JSON.stringify(minute(9)), { qos: 1 });
    await until(() => flows.got('silences').some(({ payload }) => payload === 'online'), 'it to be back');
    await press.endAsync();
  });
});

describe('the connection', () => {
  it('is one, goes with the last node, and says when it is missing', async () => {
    const connections = async (): Promise<number> =>
      (await gateway.api<{ connections: number }>('/api/v1/status')).connections;
    const before = await connections();
    const flows = await runFlow(
      flow(
        ...Array.from({ length: 5 }, (_, i) =>
          node(`r${i}`, 'result-in', { pipeline: '', source: 'published' }),
        ),
        { id: 'lost', type: 'aimx-status', z: 'tab', gateway: '', wires: [] },
        out(),
      ),
    );
    await until(async () => (await connections()) === before + 1, 'one connection');
    expect(flows.statuses('lost')).toEqual(['common.status.no-gateway']);
    await deploy([tab]);
    await until(async () => (await connections()) === before, 'no connection');
  });

  it('100 deploys leave nothing behind', async () => {
    const nodes = flow(
      node('in', 'stream-in', { stream: 'temps', source: 'readings', start: 'new' }),
      node('raw', 'stream-in', { stream: 'temps', source: 'messages' }),
      node('live', 'result-in', { pipeline: 'room-comfort', source: 'published' }),
      node('ask', 'infer', { model: 'room-comfort', over: 'mqtt', wires: [['out'], []] }),
      node('write', 'reading-out', { stream: 'temps', device: 'd', qos: '1', wires: [] }),
      node('seen', 'device', { mode: 'watch', silent: '9' }),
      node('bills', 'receipt', { mode: 'watch' }),
      node('alarms', 'alarm-in', { severity: 'info', current: true }),
      node('state', 'status'),
      out(),
    );
    await runFlow(nodes);
    const listenersOf = (emitter: NodeJS.EventEmitter): number =>
      emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);
    const count = () => ({
      sockets: process.getActiveResourcesInfo().filter((one) => one === 'TCPSocketWrap').length,
      listeners: listenersOf(runtimeEvents()),
      process: listenersOf(process),
    });
    const deployed = async (n: number): Promise<void> => {
      const begun = performance.now();
      await deploy(nodes.map((one) => ({ ...one, name: `deploy ${n}` })));
      expect(performance.now() - begun).toBeLessThan(15_000);
      // Something is under way at some of the deploys.
      if (n % 3 === 0) helper.getNode('ask').receive({ payload: rows });
      if (n % 5 === 0) helper.getNode('write').receive({ payload: { t: n } });
    };
    const settled = async (): Promise<void> => {
      await deploy([tab]);
      const status = () => gateway.api<{ connections: number }>('/api/v1/status');
      await until(async () => (await status()).connections === 0, 'the last connection to end');
    };
    for (let n = 0; n < 5; n++) await deployed(n);
    await settled();
    const before = JSON.stringify(count());
    for (let n = 5; n < 105; n++) await deployed(n);
    await settled();
    // Sockets that were destroyed are gone at the next turn of the event loop, or a few later.
    await until(() => JSON.stringify(count()) === before, `what was there before, ${before}`);
  });
});
