import { expect, onTestFinished, test } from 'vitest';
import type { Outbound } from '../../gateway/ports/publisher.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { type ModelTerms, windowModel } from './fake-models.ts';
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

test('windows the model will not answer are kept with the reason, counted and passed', async () => {
  const parts = await opened();
  const pipelines = await startPipelines(CONFIG, parts, windowModel({ poison: 2 }));
  onTestFinished(() => pipelines.stop());
  await append(
    parts.readingStreams.get('temperature')!,
    [1, 2, 3, 4, 5].map((value) => reading('m1', value * 1000, value)),
  );
  const results = openedStream(parts.store, '$result/anomaly');
  await until(() => results.head === 2, 'two results');
  const [kept] = await contents(openedStream(parts.store, '$rejected/pipeline-anomaly'));
  expect(JSON.parse(kept!.value)).toMatchObject({
    id: 'gw/anomaly/m1/4000-4',
    pipeline: 'anomaly',
    device: 'm1',
    time: 4000,
    code: 'POISON',
    rows: 3,
  });
  expect(pipelines.stats()[0]).toMatchObject({ windows: 3, results: 2, errors: 1 });
});

test('while one batch is under way the next forms', async () => {
  const parts = await opened();
  const gates: (() => void)[] = [];
  const model = windowModel({
    maxBatch: 8,
    gate: () => new Promise<void>((resolve) => gates.push(resolve)),
  });
  const pipelines = await startPipelines(CONFIG, parts, model);
  const stream = parts.readingStreams.get('temperature')!;
  await append(
    stream,
    [1, 2, 3].map((value) => reading('m1', value, value)),
  );
  await until(() => gates.length === 1, 'the first batch');
  for (let i = 4; i < 24; i++) await append(stream, [reading('m1', i, i)]);
  await until(() => gates.length === 3, 'full batches');
  expect(model.batches).toEqual([1, 8, 8]);
  await until(() => {
    for (const open of gates.splice(0)) open();
    return openedStream(parts.store, '$result/anomaly').head === 21;
  }, 'all results');
  const ids = (await contents(openedStream(parts.store, '$result/anomaly'))).map(
    (r) => JSON.parse(r.value).time,
  );
  expect(ids).toEqual(Array.from({ length: 21 }, (_, i) => i + 3));
  await pipelines.stop();
});

test('drop-oldest sheds the oldest windows, visibly; wait keeps all', async () => {
  const outcome = async (whenFull: string) => {
    const config = parseConfig({
      streams: [{ id: 's', fields: { value: {} } }],
      pipelines: [{ id: 'p', from: 's', window: { count: 1 }, model: 'probe', queue: { max: 10, whenFull } }],
    });
    const parts = await opened(config);
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const pipelines = await startPipelines(config, parts, windowModel({ maxBatch: 1, gate: () => gate }));
    const stream = parts.readingStreams.get('s')!;
    for (let i = 0; i < 200; i++) await append(stream, [reading('d', i, i)]);
    if (whenFull === 'drop-oldest') {
      await until(() => pipelines.stats()[0]!.shed > 100, 'shedding');
      expect(parts.alarms.active().map((alarm) => alarm.kind)).toContain('pipeline-shedding');
    }
    open();
    await until(
      () => parts.store.cursors().find((c) => c.consumer === 'pipeline/p')?.seq === 200,
      'the cursor',
    );
    const times = (await contents(openedStream(parts.store, '$result/p'))).map((r) => r.time);
    await pipelines.stop();
    parts.clock.advance(60_000);
    return { times, stats: pipelines.stats()[0]! };
  };
  const shedding = await outcome('drop-oldest');
  expect(shedding.times.slice(-10)).toEqual(Array.from({ length: 10 }, (_, i) => 190 + i));
  expect(shedding.stats.shed + shedding.stats.results).toBe(200);
  const waiting = await outcome('wait');
  expect(waiting.times).toHaveLength(200);
  expect(waiting.stats.shed).toBe(0);
});

test('a window that waits longer than the deadline is shed', async () => {
  const config = parseConfig({
    streams: [{ id: 's', fields: { value: {} } }],
    pipelines: [{ id: 'p', from: 's', window: { count: 1 }, model: 'probe', deadline: '2s' }],
  });
  const parts = await opened(config);
  await append(parts.readingStreams.get('s')!, [reading('d', 1, 1)]);
  parts.clock.advance(2001);
  await append(parts.readingStreams.get('s')!, [reading('d', 2, 2)]);
  const pipelines = await startPipelines(config, parts, windowModel());
  await until(() => openedStream(parts.store, '$result/p').head === 1, 'the result in time');
  expect(pipelines.stats()[0]).toMatchObject({ windows: 2, results: 1, shed: 1 });
  await pipelines.stop();
});

test('a pipeline takes the results of another, vectors as samples', async () => {
  const config = parseConfig({
    streams: [{ id: 's', fields: { value: {} } }],
    pipelines: [
      {
        id: 'second',
        from: 'first',
        window: { count: 2, every: 1 },
        model: 'probe',
        fields: ['sum', 'rows'],
      },
      { id: 'first', from: 's', window: { count: 2, every: 1 }, model: 'probe' },
    ],
  });
  const parts = await opened(config);
  const pipelines = await startPipelines(config, parts, windowModel());
  await append(
    parts.readingStreams.get('s')!,
    [1, 2, 3, 4].map((value) => reading('d', value * 10, value)),
  );
  const results = openedStream(parts.store, '$result/second');
  await until(() => results.head === 2, 'two results');
  const documents = (await contents(results)).map((r) => JSON.parse(r.value));
  expect(documents.map((d) => [d.id, d.time, d.outputs.sum])).toEqual([
    ['gw/second/d/30-2', 30, 3 + 2 + 5 + 2],
    ['gw/second/d/40-3', 40, 5 + 2 + 7 + 2],
  ]);
  await pipelines.stop();
});

test('goes on after stop and start of everything, with the windows it had', async () => {
  const dir = temporaryFolder();
  const seen: string[] = [];
  for (const value of [1, 2, 3, 4, 5]) {
    const parts = await storeFor(dir, CONFIG);
    const pipelines = await startPipelines(CONFIG, parts, windowModel());
    const results = openedStream(parts.store, '$result/anomaly');
    await append(parts.readingStreams.get('temperature')!, [reading('m1', value, value)]);
    await until(() => results.head === Math.max(0, value - 2), 'the result');
    if (value > 2) {
      const json = pipelines.feed.latest('anomaly', 'm1')!;
      expect(pipelines.feed.devices('anomaly')).toEqual(['m1']);
      seen.push(JSON.parse(json).outputs.sum);
    }
    await pipelines.stop();
    await pipelines.stop();
    await parts.store.stop();
  }
  expect(seen).toEqual([6, 9, 12]);
});

test('the newest results are there right after a restart', async () => {
  const parts = await opened();
  const first = await startPipelines(CONFIG, parts, windowModel());
  const told: string[] = [];
  first.feed.subscribe((pipeline, device) => told.push(`${pipeline}/${device}`));
  await append(
    parts.readingStreams.get('temperature')!,
    [1, 2, 3].map((value) => reading('m1', value, value)),
  );
  await until(() => told.length === 1, 'the result');
  const json = first.feed.latest('anomaly', 'm1');
  await first.stop();
  const second = await startPipelines(CONFIG, parts, windowModel());
  expect(second.feed.latest('anomaly', 'm1')).toBe(json);
  await second.stop();
  expect(told).toEqual(['anomaly/m1']);
});

test('a model that does not fit is a coded error at the start', async () => {
  const parts = await opened();
  const start = (terms: ModelTerms, pipeline: object = {}) => {
    const config = parseConfig({
      streams: CONFIG.streams,
      pipelines: [{ ...CONFIG.pipelines[0], ...pipeline }],
    });
    return startPipelines(config, parts, windowModel(terms)).then((pipelines) => pipelines.stop());
  };
  await expect(start({ rows: 64 })).rejects.toMatchObject({ code: 'PIPELINE_ROWS', expected: '64' });
  await expect(start({ features: ['x', 'y'] })).rejects.toMatchObject({ code: 'PIPELINE_COLUMNS' });
  await expect(start({}, { fields: ['pressure'] })).rejects.toMatchObject({ code: 'PIPELINE_COLUMNS' });
  await expect(start({ features: ['x', 'y'] }, { fields: ['value'] })).rejects.toMatchObject({
    code: 'PIPELINE_COLUMNS',
  });
  await start({ features: ['anything'], rows: 3 });
});

test('while no model serves, windows wait in the journal; nothing is rejected', async () => {
  const parts = await opened();
  const model = windowModel();
  let refusals = 3;
  const inference: typeof model = {
    ...model,
    async run(reference, batch, options) {
      if (refusals-- <= 0) return model.run(reference, batch, options);
      const failures = batch.windows.map((_, index) => ({
        index,
        code: 'MODEL_REFUSED',
        message: 'golden check failed',
      }));
      return { model: model.model(reference), parts: [], failures };
    },
  };
  const pipelines = await startPipelines(CONFIG, parts, inference);
  await append(
    parts.readingStreams.get('temperature')!,
    [1, 2, 3].map((value) => reading('m1', value, value)),
  );
  const results = openedStream(parts.store, '$result/anomaly');
  await until(() => {
    parts.clock.advance(1000);
    return results.head === 1;
  }, 'the result');
  expect(refusals).toBe(-1);
  expect(openedStream(parts.store, '$rejected/pipeline-anomaly').head).toBe(0);
  await pipelines.stop();
});

test('a join goes on when the wall clock was set back', async () => {
  const config = parseConfig({
    streams: ['a', 'b'].map((id) => ({ id, fields: { value: {} } })),
    pipelines: [
      {
        id: 'p',
        from: ['a', 'b'],
        join: { within: 100, mode: 'last' },
        window: { count: 1 },
        model: 'probe',
      },
    ],
  });
  const parts = await opened(config);
  const pipelines = await startPipelines(config, parts, windowModel());
  await append(parts.readingStreams.get('b')!, [reading('d', 10, 1)]);
  parts.clock.advance(1);
  await append(parts.readingStreams.get('a')!, [reading('d', 20, 2)]);
  parts.clock.set(parts.clock.now() - 3_600_000);
  const results = openedStream(parts.store, '$result/p');
  await until(() => {
    parts.clock.advance(500);
    return results.head === 1;
  }, 'the joined result');
  const [record] = await contents(results);
  expect(JSON.parse(record!.value)).toMatchObject({ id: 'gw/p/d/20-1', outputs: { sum: 3, weighted: 4 } });
  await pipelines.stop();
});
