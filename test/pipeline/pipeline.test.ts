import { expect, onTestFinished, test } from 'vitest';
import type { Outbound } from '../../gateway/ports/publisher.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { windowModel } from './fake-models.ts';
import { append, contents, openedStream, parseConfig, reading, startPipelines, storeFor } from './harness.ts';

const CONFIG = parseConfig({
  streams: [{ id: 'temperature', fields: { value: {} } }],
  pipelines: [{ id: 'anomaly', from: 'temperature', window: { count: 3, every: 1 }, model: 'probe' }],
});

async function opened(config = CONFIG) {
  const made = await storeFor(temporaryFolder(), config);
  onTestFinished(() => made.store.stop());
  return made;
}

test('readings become windows, results in the journal, and messages', async () => {
  const parts = await opened();
  const messages: Outbound[] = [];
  const pipelines = await startPipelines(CONFIG, parts, windowModel(), {
    publisher: {
      async publish(batch) {
        messages.push(...batch);
      },
    },
  });
  onTestFinished(() => pipelines.stop());
  const stream = parts.readingStreams.get('temperature')!;
  await append(
    stream,
    [1, 2, 3, 4].map((value) => reading('m1', value * 1000, value)),
  );
  await until(() => messages.length === 2, 'two messages');
  expect(messages[0]).toEqual({
    topic: 'aimx/result/anomaly/m1',
    payload: JSON.stringify({
      id: 'gw/anomaly/m1/3000-3',
      pipeline: 'anomaly',
      device: 'm1',
      time: 3000,
      model: { name: 'probe', version: '1.0.0', sha256: 'ab'.repeat(32) },
      outputs: { sum: 6, weighted: 14, rows: 3 },
    }),
    qos: 1,
    retain: false,
  });
  expect(JSON.parse(String(messages[1]!.payload)).outputs.sum).toBe(9);
  const results = await contents(openedStream(parts.store, '$result/anomaly'));
  expect(results.map((r) => r.value)).toEqual(messages.map((m) => m.payload));
  expect(pipelines.feed.latest('anomaly', 'm1')).toBe(messages[1]!.payload);
  await until(
    () => parts.store.cursors().find((c) => c.consumer === 'pipeline/anomaly')?.seq === 4,
    'the cursor',
  );
});
