import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { writeBundle } from '../inference/bundles.ts';
import { testData } from '../support/data.ts';
import { freePorts, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { difference, manifestOf, onnxCases } from './cases.ts';
import { answerOf, type DecodedAnswer, requestOf } from './wire.ts';

const data = testData('onnx', 'node');
/** Requests under way at a time: what waits for one model must not become late because of the others. */
const AT_A_TIME = 40;

test.skipIf(!data)(
  'every ONNX node case gives its expected outputs over HTTP as JSON and over MQTT as bytes',
  { timeout: 120_000 },
  async () => {
    const folder = temporaryFolder();
    const ports = await freePorts();
    const cases = onnxCases(data!);
    for (const one of cases) {
      writeBundle(join(folder, 'data/models'), {
        name: one.name,
        model: one.model,
        manifest: manifestOf(one),
      });
    }
    writeConfig(folder, ports, {
      gateway: { name: 'cases', dataDir: './data' },
      limits: { maxPacketBytes: '4MiB' },
      serving: { deadline: '100s' },
    });
    const gateway = await startGatewayProcess(folder, ports);
    onTestFinished(async () => void (await gateway.stop()));
    const client = await connectAsync(`mqtt://127.0.0.1:${ports.mqtt}`, { clientId: 'cases' });
    onTestFinished(() => client.endAsync(true));
    const overMqtt = new Map<string, DecodedAnswer>();
    client.on('message', (_topic, payload) => {
      const answer = answerOf(payload);
      overMqtt.set(answer.id!, answer);
    });
    await client.subscribeAsync('aimx/reply/cases', { qos: 1 });

    const failures: string[] = [];
    const judge = (door: string, { name, outputs }: (typeof cases)[number], answer: DecodedAnswer): void => {
      if (answer.error) failures.push(`${name} ${door}: ${answer.error}`);
      else
        for (const [output, expected] of Object.entries(outputs)) {
          const wrong = difference(answer.outputs[output], expected);
          if (wrong) failures.push(`${name} ${door}: ${output} ${wrong}`);
        }
    };
    const queue = [...cases];
    const worker = async (): Promise<void> => {
      for (let one = queue.shift(); one; one = queue.shift()) {
        const { name, inputs } = one;
        const { body } = requestOf(`${name}-h`, inputs, { binary: false });
        const response = await fetch(`http://127.0.0.1:${ports.http}/v2/models/${name}/infer`, {
          ...{ method: 'POST', body: new Uint8Array(body) },
        });
        judge('http', one, answerOf(Buffer.from(await response.arrayBuffer())));
        await client.publishAsync(`aimx/infer/${name}`, requestOf(name, inputs, { binary: true }).body, {
          qos: 1,
        });
        await until(() => overMqtt.has(name), `the answer of ${name}`, 100_000);
        judge('mqtt', one, overMqtt.get(name)!);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    expect(failures).toEqual([]);
    expect(cases.length).toBeGreaterThanOrEqual(137);
  },
);
