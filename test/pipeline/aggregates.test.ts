import { expect, onTestFinished, test } from 'vitest';
import { aggregateStream } from '../../gateway/config/names.ts';
import { AggregateStage } from '../../gateway/pipeline/aggregate-stage.ts';
import { type Aggregates, createAggregates } from '../../gateway/pipeline/index.ts';
import type { ClosedAggregate } from '../../gateway/stream/aggregator.ts';
import { Aggregator } from '../../gateway/stream/aggregator.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { cutStore } from './cut-store.ts';
import { append, contents, openedStream, parseConfig, reading, storeFor } from './harness.ts';
import { random } from './random.ts';

const STATS = ['count', 'min', 'max', 'mean', 'stddev', 'sum', 'first', 'last', 'p50', 'p95'];

test('an aggregate per device and window, closed by data or by silence', async () => {
  const config = parseConfig({
    streams: [{ id: 's', fields: { value: {} } }],
    aggregates: [{ from: 's', every: '60s', stats: STATS }],
  });
  const opened = await storeFor(temporaryFolder(), config);
  onTestFinished(() => opened.store.stop());
  const aggregates = createAggregates({ ...opened, config });
  await aggregates.start(new AbortController().signal);
  onTestFinished(() => aggregates.stop());
  const values = [4, 2, 8, 6];
  await append(
    opened.readingStreams.get('s')!,
    values.map((value, i) => reading('m1', 120_000 + i * 1000, value)),
  );
  const output = openedStream(opened.store, aggregateStream('s-60s'));
  await until(() => aggregates.stats()[0]!.keys === 1, 'the readings to be taken');
  await until(() => {
    opened.clock.advance(60_000);
    return output.head === 1;
  }, 'the aggregate');
  const [record] = await contents(output);
  expect(record).toMatchObject({ device: 'm1', time: 180_000 });
  const document = JSON.parse(record!.value);
  expect(document).toMatchObject({
    id: 'gw/aggregate/s-60s/m1/120000-60000',
    aggregate: 's-60s',
    stream: 's',
    device: 'm1',
    start: 120_000,
    end: 180_000,
    fields: { value: { count: 4, min: 2, max: 8, mean: 5, sum: 20, first: 4, last: 6 } },
  });
  expect(document.fields.value.stddev).toBeCloseTo(Math.sqrt(20 / 3), 12);
  expect(Math.abs(document.fields.value.p50 - 4)).toBeLessThanOrEqual(0.04);
});

test.each([31, 32, 33])('killed at any commit, aggregates are those of one run (seed %i)', async (seed) => {
  const next = random(seed);
  const config = parseConfig({
    streams: [{ id: 's', fields: { value: {} } }],
    aggregates: [
      { id: 'event', from: 's', every: 1000, lateness: 200, stats: STATS },
      { id: 'arrival', from: 's', every: 700, by: 'arrival', stats: STATS },
    ],
  });
  const opened = await storeFor(temporaryFolder(), config);
  onTestFinished(() => opened.store.stop());
  const { clock, store } = opened;
  const stream = opened.readingStreams.get('s')!;
  let life: { aggregates: Aggregates; dead: () => boolean } | undefined;
  let lives = 0;
  const revive = async (): Promise<void> => {
    while (life === undefined || life.dead()) {
      await life?.aggregates.stop();
      lives++;
      const cut = cutStore(store, 3 + Math.floor(next() * 12), next() < 0.5);
      const aggregates = createAggregates({
        ...opened,
        config,
        store: cut,
        snapshotBytes: 300 + next() * 3000,
      });
      life = { aggregates, dead: () => cut.dead };
      await aggregates.start(new AbortController().signal).catch((error: unknown) => {
        if (!cut.dead) throw error;
      });
    }
  };
  const base = clock.now();
  for (let step = 0; step < 60; step++) {
    await revive();
    clock.advance(Math.floor(next() ** 3 * 1200));
    const readings = Array.from({ length: 1 + Math.floor(next() * 8) }, () => {
      const time = clock.now() - base + 10_000 - Math.floor(next() ** 2 * 600);
      return reading(`d${Math.floor(next() * 3)}`, time, next() * 200 - 50);
    });
    await append(stream, readings);
    for (let turns = Math.floor(next() * 12); turns > 0; turns--) await new Promise((r) => setImmediate(r));
  }
  const expected = { event: [] as string[], arrival: [] as string[] };
  for (const { id, every, by, lateness } of config.aggregates) {
    const closed: ClosedAggregate[] = [];
    const aggregator = new Aggregator({
      length: every,
      by,
      lateness,
      fields: undefined,
      quantiles: true,
      maxKeys: 10,
      sink: (aggregate) => closed.push(aggregate),
    });
    for (const record of await contents(stream)) aggregator.feed(0, record);
    aggregator.advance(Number.MAX_SAFE_INTEGER, 100);
    const stage = new AggregateStage({
      gateway: 'gw',
      aggregate: id!,
      stream: 's',
      length: every,
      stats: STATS,
      output: '',
    });
    const { appends } = await stage.run(closed);
    expected[id as 'event' | 'arrival'] = appends[0]!.records.map((record) => String(record.value));
  }
  for (const id of ['event', 'arrival'] as const) {
    const output = openedStream(store, aggregateStream(id));
    await until(async () => {
      await revive();
      clock.advance(3_600_000);
      return output.head >= expected[id].length;
    }, `${expected[id].length} aggregates`);
  }
  await life!.aggregates.stop();
  for (const id of ['event', 'arrival'] as const) {
    const actual = (await contents(openedStream(store, aggregateStream(id)))).map((record) => record.value);
    expect(actual.sort()).toEqual(expected[id].sort());
  }
  expect(lives).toBeGreaterThan(5);
});
