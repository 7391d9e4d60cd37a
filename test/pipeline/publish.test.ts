import { expect, onTestFinished, test } from 'vitest';
import type { Outbound } from '../../gateway/ports/publisher.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { windowModel } from './fake-models.ts';
import { append, parseConfig, reading, startPipelines, storeFor } from './harness.ts';

async function opened(publish: object) {
  const config = parseConfig({
    streams: [{ id: 's', fields: { value: {} } }],
    pipelines: [{ id: 'p', from: 's', window: { count: 1 }, model: 'probe', publish }],
  });
  const parts = await storeFor(temporaryFolder(), config);
  onTestFinished(() => parts.store.stop());
  const send = (values: readonly number[]) =>
    append(
      parts.readingStreams.get('s')!,
      values.map((value) => reading(`d+${value}`, value, value)),
    );
  const published = () => parts.store.cursors().find((c) => c.consumer === 'publish/p')?.seq;
  return { config, parts, send, published };
}

test('topic, QoS, retain and condition are those of the configuration', async () => {
  const topic = 'plant/{gateway}/{device}/{pipeline}/{other}';
  const { config, parts, send, published } = await opened({
    topic,
    qos: 0,
    retain: true,
    when: 'sum > 1 and device != "d+3"',
  });
  const messages: Outbound[] = [];
  const publisher = { publish: async (batch: readonly Outbound[]) => void messages.push(...batch) };
  const pipelines = await startPipelines(config, parts, windowModel(), { publisher });
  await send([1, 2, 3, 4]);
  await until(() => published() === 4, 'the cursor');
  expect(messages.map(({ topic: to, qos, retain }) => ({ to, qos, retain }))).toEqual([
    { to: 'plant/gw/d_2/p/{other}', qos: 0, retain: true },
    { to: 'plant/gw/d_4/p/{other}', qos: 0, retain: true },
  ]);
  expect(pipelines.stats()[0]!.publish).toEqual({ published: 2, filtered: 2, failures: 0 });
  await pipelines.stop();
});

test('a broker that refuses holds nothing back but the messages, which come in order later', async () => {
  const { config, parts, send, published } = await opened({});
  const messages: Outbound[] = [];
  let refusals = 3;
  const publisher = {
    async publish(batch: readonly Outbound[]) {
      if (refusals-- > 0) throw new Error('not connected');
      messages.push(...batch);
    },
  };
  const pipelines = await startPipelines(config, parts, windowModel(), { publisher });
  await send([1, 2]);
  await until(() => pipelines.stats()[0]!.results === 2, 'the results');
  await until(() => {
    parts.clock.advance(1000);
    return published() === 2;
  }, 'the messages');
  expect(messages.map((m) => JSON.parse(String(m.payload)).time)).toEqual([1, 2]);
  expect(pipelines.stats()[0]!.publish!.failures).toBe(3);
  await pipelines.stop();
});

test('results that were not published before a stop are published after it, with the same ids', async () => {
  const { config, parts, send, published } = await opened({});
  const attempts: Outbound[][] = [];
  const silent = {
    publish: (batch: readonly Outbound[]) => {
      attempts.push([...batch]);
      return new Promise<void>(() => undefined);
    },
  };
  const first = await startPipelines(config, parts, windowModel(), { publisher: silent });
  await send([1, 2]);
  await until(() => attempts.length === 1 && first.stats()[0]!.results === 2, 'an attempt');
  await first.stop();
  expect(published()).toBe(0);
  const messages: Outbound[] = [];
  const publisher = { publish: async (batch: readonly Outbound[]) => void messages.push(...batch) };
  const second = await startPipelines(config, parts, windowModel(), { publisher });
  await until(() => published() === 2, 'the messages');
  expect(messages.map((m) => JSON.parse(String(m.payload)).id)).toEqual(['gw/p/d+1/1-1', 'gw/p/d+2/2-1']);
  expect(messages[0]).toEqual(attempts[0]![0]);
  await second.stop();
});
