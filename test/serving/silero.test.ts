import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { writeBundle } from '../inference/bundles.ts';
import { testData } from '../support/data.ts';
import { freePorts, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { SILERO, samplesOf } from '../support/silero.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { answerOf, requestOf } from './wire.ts';

const data = testData('silero-vad');
const FRAME = 512;

test.skipIf(!data)(
  'over MQTT a recurrent model keeps the states of two interleaved devices apart',
  { timeout: 60_000 },
  async () => {
    const folder = temporaryFolder();
    const ports = await freePorts();
    writeBundle(join(folder, 'data/models'), {
      ...{ name: 'silero-vad', version: '5', model: `${data}/silero_vad_16k_op15.onnx`, manifest: SILERO },
    });
    writeConfig(folder, ports, { gateway: { name: 'speech', dataDir: './data' } });
    const gateway = await startGatewayProcess(folder, ports);
    onTestFinished(async () => void (await gateway.stop()));
    const client = await connectAsync(`mqtt://127.0.0.1:${ports.mqtt}`, { clientId: 'mics' });
    onTestFinished(() => client.endAsync(true));
    const speech = samplesOf(`${data}/speech-10s.wav`);
    const expected: number[] = JSON.parse(readFileSync(`${data}/speech-10s.probabilities.json`, 'utf8'));
    const found = new Map<string, number | string>();
    client.on('message', (_topic, payload) => {
      const { id, error, outputs } = answerOf(payload);
      found.set(id!, error ?? (outputs.speech!.data as Float32Array)[0]!);
    });
    await client.subscribeAsync('aimx/reply/mics', { qos: 1 });
    const metadata = await fetch(`http://127.0.0.1:${ports.http}/v2/models/silero-vad`);
    expect(await metadata.json()).toMatchObject({
      inputs: [{ datatype: 'FP32' }],
      parameters: { sequence: true },
    });

    // The second device lags, so that the two never have the same state; some frames are under way at a time.
    const lag = 37;
    let sent = 0;
    for (let step = 0; step < expected.length + lag; step++) {
      for (const device of [0, 1]) {
        const i = step - device * lag;
        if (i < 0 || i >= expected.length) continue;
        await until(() => sent - found.size < 40, 'answers');
        sent++;
        const window = speech.slice(i * FRAME, (i + 1) * FRAME);
        const input = { datatype: 'FP32', shape: [1, FRAME, 1], data: window } as const;
        const { body } = requestOf(
          `${device}-${i}`,
          { input },
          {
            binary: true,
            parameters: {
              sequence_id: `mic-${device}`,
              sequence_start: i === 0,
              sequence_end: i === expected.length - 1,
            },
          },
        );
        client.publish('aimx/infer/silero-vad', body, { qos: 1 });
      }
    }
    await until(() => found.size === 2 * expected.length, 'all answers', 25_000);
    for (const device of [0, 1]) {
      const worst = expected.reduce<number>((most, value, i) => {
        const given = found.get(`${device}-${i}`);
        if (typeof given !== 'number') throw new Error(`frame ${i} of device ${device}: ${given}`);
        return Math.max(most, Math.abs(given - value));
      }, 0);
      expect(worst).toBeLessThanOrEqual(1e-4);
    }
  },
);
