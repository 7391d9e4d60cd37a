import { connectAsync } from 'mqtt';
import { expect, it, onTestFinished } from 'vitest';
import type { AuditView, ResultView } from '../../gateway/http/views.ts';
import { freePorts, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { mosquittoPath, startMosquitto } from '../support/mosquitto.ts';
import { startReceiver } from '../support/receiver.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';

const path = mosquittoPath();
const READINGS = 200;
const WINDOW = 64;

it.skipIf(path === null)(
  'with an external broker: readings from it, results to it, both upstream, also after a kill',
  async () => {
    const broker = await startMosquitto(path!);
    const folder = temporaryFolder();
    const ports = await freePorts();
    const receiver = await startReceiver();
    onTestFinished(() => receiver.close());
    const url = `mqtt://127.0.0.1:${broker.port}`;
    writeConfig(folder, ports, {
      gateway: { name: 'external', dataDir: './data' },
      broker: { url },
      streams: [{ id: 'machine', from: { mqtt: 'plant/{device}/t' }, fields: { value: { path: '$.t' } } }],
      pipelines: [
        { id: 'score', from: 'machine', window: { count: WINDOW, every: 1 }, model: 'streaming-anomaly@1' },
      ],
      upstream: [{ id: 'receiver', http: { url: receiver.url }, send: ['readings', 'results'] }],
    });
    let gateway = await startGatewayProcess(folder, ports);
    onTestFinished(async () => void (await gateway.stop()));

    const client = await connectAsync(url);
    onTestFinished(() => client.endAsync(true));
    const results: ResultView[] = [];
    await client.subscribeAsync('aimx/result/score/#', { qos: 1 });
    client.on('message', (_topic, payload) => results.push(JSON.parse(payload.toString()) as ResultView));

    const publish = async (from: number, to: number): Promise<void> => {
      for (let n = from; n < to; n++) {
        await client.publishAsync('plant/press/t', JSON.stringify({ t: n / 8 }), { qos: 1 });
      }
    };
    const count = (kind: string): number => receiver.records.filter((record) => record.kind === kind).length;
    await publish(0, READINGS / 2);
    await until(() => count('reading') === READINGS / 2, 'the first half upstream', 20_000);
    // The broker keeps the gateway's session, and with it what is published while the gateway is gone.
    await gateway.kill();
    await publish(READINGS / 2, READINGS);
    gateway = await startGatewayProcess(folder, ports);

    const windows = READINGS - WINDOW + 1;
    await until(() => count('reading') >= READINGS && count('result') >= windows, 'all upstream', 30_000);
    const values = receiver.records.filter(({ kind }) => kind === 'reading').map(({ body }) => body.values);
    expect(values).toEqual(Array.from({ length: READINGS }, (_, n) => ({ value: n / 8 })));
    const ids = () => new Set(results.map(({ id }) => id));
    await until(() => ids().size === windows, 'all results at the local subscriber');
    expect(results.every(({ outputs }) => typeof outputs.score === 'number')).toBe(true);
    const audit = await gateway.api<AuditView[]>('/api/v1/audit');
    expect(audit.every(({ holds }) => holds)).toBe(true);
  },
  90_000,
);
