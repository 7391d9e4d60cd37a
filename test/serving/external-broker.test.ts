import { connectAsync, type IPublishPacket } from 'mqtt';
import { expect, it, onTestFinished } from 'vitest';
import { freePorts, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { mosquittoPath, startMosquitto } from '../support/mosquitto.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';

const path = mosquittoPath();
const INPUT = { name: 'input', shape: [1, 8, 5], datatype: 'FP32', data: new Array<number>(40).fill(1) };
const body = (id: string, parameters: object = {}): string =>
  JSON.stringify({ id, parameters, inputs: [INPUT] });

it.skipIf(path === null)(
  'with an external broker: Response Topic and Correlation Data of MQTT 5, reply_to of 3.1.1, also over a kill',
  { timeout: 60_000 },
  async () => {
    const broker = await startMosquitto(path!);
    const folder = temporaryFolder();
    const ports = await freePorts();
    const url = `mqtt://127.0.0.1:${broker.port}`;
    writeConfig(folder, ports, {
      gateway: { name: 'external', dataDir: './data' },
      broker: { url },
      serving: { replyTopics: ['aimx/reply/#', 'cell/+/answers'] },
    });
    let gateway = await startGatewayProcess(folder, ports);
    onTestFinished(async () => void (await gateway.stop()));
    const five = await connectAsync(url, { clientId: 'five', protocolVersion: 5 });
    onTestFinished(() => five.endAsync(true));
    const answers: { topic: string; id: string; code: string | undefined; packet: IPublishPacket }[] = [];
    five.on('message', (topic, payload, packet) => {
      const { id, error } = JSON.parse(payload.toString()) as { id: string; error?: { code: string } };
      answers.push({ topic, id, code: error?.code, packet });
    });
    await five.subscribeAsync(['cell/7/answers', 'aimx/reply/old', 'elsewhere'], { qos: 1 });
    const ask = (id: string, responseTopic: string): Promise<unknown> =>
      five.publishAsync('aimx/infer/room-comfort', body(id), {
        qos: 1,
        properties: { responseTopic, correlationData: Buffer.from(`c-${id}`) },
      });
    await ask('a', 'cell/7/answers');
    // Not a topic that this gateway answers on: nobody could tell whose it is.
    await ask('b', 'elsewhere');
    const old = await connectAsync(url, { clientId: 'old', protocolVersion: 4 });
    onTestFinished(() => old.endAsync(true));
    await old.publishAsync('aimx/infer/room-comfort/1', body('c', { reply_to: 'aimx/reply/old' }), {
      qos: 1,
    });
    await until(() => answers.length === 2, 'two answers', 20_000);
    // What the broker keeps while the gateway is gone is answered when it is back.
    await gateway.kill();
    await ask('d', 'cell/7/answers');
    gateway = await startGatewayProcess(folder, ports);
    await until(() => answers.some(({ id }) => id === 'd'), 'the answer after the kill', 20_000);
    const shown = answers.map(({ topic, id, code, packet }) => {
      const { correlationData, contentType } = packet.properties ?? {};
      return JSON.stringify([topic, id, code ?? 'answer', correlationData?.toString() ?? '', contentType]);
    });
    // What the broker had and the gateway did not know of when it was killed comes again, the same.
    const different = [...new Set(shown)].map((text) => JSON.parse(text) as string[]);
    expect(different.sort()).toEqual([
      ['aimx/reply/old', 'c', 'answer', '', 'application/json'],
      ['cell/7/answers', 'a', 'answer', 'c-a', 'application/json'],
      ['cell/7/answers', 'd', 'answer', 'c-d', 'application/json'],
    ]);
  },
);
