import { describe, expect, onTestFinished, test } from 'vitest';
import { resultStream } from '../../gateway/config/names.ts';
import type { PipelineConfig } from '../../gateway/config/schema.ts';
import { createPipelines } from '../../gateway/pipeline/index.ts';
import { ResultText } from '../../gateway/pipeline/result-json.ts';
import { WindowOperator } from '../../gateway/pipeline/window-operator.ts';
import type { ModelState } from '../../gateway/ports/inference.ts';
import type { JournalRecord } from '../../gateway/store/types.ts';
import { Columns } from '../../gateway/stream/columns.ts';
import { Joiner } from '../../gateway/stream/join.ts';
import type { ClosedWindow, Reading } from '../../gateway/stream/window.ts';
import { TextBytes } from '../../gateway/system/text-bytes.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { cutStore } from './cut-store.ts';
import { answer, columnsOf, type ModelTerms, windowModel } from './fake-models.ts';
import { append, contents, openedStream, parseConfig, reading, storeFor } from './harness.ts';
import { random } from './random.ts';

const WAIT = 3_600_000;

interface Scenario {
  readonly name: string;
  readonly pipeline: object;
  readonly streams?: readonly string[];
  readonly terms?: ModelTerms;
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'count, sliding', pipeline: { window: { count: 5, every: 1 } } },
  { name: 'count, tumbling', pipeline: { window: { count: 4 } } },
  { name: 'count, sampling', pipeline: { window: { count: 2, every: 5 } } },
  { name: 'count over all devices', pipeline: { key: 'none', window: { count: 6, every: 2 } } },
  { name: 'event time, tumbling', pipeline: { window: { time: 1000, lateness: 300 } } },
  { name: 'event time, hopping', pipeline: { window: { time: 1200, every: 400, lateness: 200 } } },
  { name: 'arrival time, tumbling', pipeline: { window: { time: 800, by: 'arrival' } } },
  {
    name: 'arrival time, hopping, resampled',
    pipeline: { window: { time: 900, every: 300, by: 'arrival', rows: 4 } },
  },
  { name: 'session by event time', pipeline: { window: { session: 250, max: 7 } } },
  { name: 'session by arrival', pipeline: { window: { session: 200, by: 'arrival' } } },
  {
    name: 'recurrent model',
    pipeline: { window: { count: 2, every: 1 } },
    terms: { recurrent: true, poison: 7 },
  },
  {
    name: 'recurrent model, event time',
    pipeline: { window: { time: 700, lateness: 100 } },
    terms: { recurrent: true },
  },
  {
    name: 'join, nearest',
    streams: ['a', 'b', 'c'],
    pipeline: {
      from: ['a', 'b', 'c'],
      join: { within: 400, mode: 'nearest' },
      window: { count: 2, every: 1 },
    },
  },
  {
    name: 'join, last, over all devices',
    streams: ['a', 'b'],
    pipeline: {
      from: ['a', 'b'],
      join: { within: 300, mode: 'last', on: 'none' },
      window: { time: 1000, lateness: 200 },
    },
  },
  {
    name: 'join with a recurrent model',
    streams: ['a', 'b'],
    pipeline: { from: ['a', 'b'], join: { within: 500 }, window: { session: 600 } },
    terms: { recurrent: true },
  },
];

describe.each(SCENARIOS)('$name', (scenario) => {
  test.each([11, 12, 13])('killed at any commit, results are those of one run (seed %i)', async (seed) => {
    await killedOften(scenario, seed);
  });
});

async function killedOften({ pipeline, streams = ['a'], terms = {} }: Scenario, seed: number): Promise<void> {
  const next = random(seed);
  const config = parseConfig({
    streams: streams.map((id) => ({ id, fields: { value: {} } })),
    pipelines: [{ id: 'p', from: 'a', model: 'probe', ...pipeline }],
  });
  const opened = await storeFor(temporaryFolder(), config);
  onTestFinished(() => opened.store.stop());
  const { readingStreams, clock, store } = opened;
  let life: { pipelines: ReturnType<typeof createPipelines>; store: { readonly dead: boolean } } | undefined;
  let lives = 0;
  const revive = async (): Promise<void> => {
    while (life === undefined || life.store.dead) {
      await life?.pipelines.stop();
      lives++;
      const cut = cutStore(store, 2 + Math.floor(next() * 9), next() < 0.5);
      const snapshotBytes = 200 + Math.floor(next() * 3000);
      const pipelines = createPipelines({
        ...opened,
        config,
        store: cut,
        inference: windowModel(terms),
        snapshotBytes,
      });
      life = { pipelines, store: cut };
      await pipelines.start(new AbortController().signal).catch((error: unknown) => {
        if (!cut.dead) throw error;
      });
    }
  };
  const base = clock.now();
  for (let step = 0; step < 60; step++) {
    await revive();
    clock.advance(Math.floor(next() ** 3 * 900));
    for (const stream of streams) {
      const readings = Array.from({ length: 1 + Math.floor(next() * 6) }, () => {
        const time = clock.now() - base + 10_000 - Math.floor(next() ** 2 * 500);
        return reading(`d${Math.floor(next() * 3)}`, time, Math.floor(next() * 20));
      });
      await append(readingStreams.get(stream)!, readings);
    }
    for (let turns = Math.floor(next() * 12); turns > 0; turns--) await new Promise((r) => setImmediate(r));
  }
  const records = await Promise.all(streams.map((stream) => contents(readingStreams.get(stream)!)));
  const expected = oracle(config.pipelines[0]!, streams, records, terms);
  const results = openedStream(store, resultStream('p'));
  await until(async () => {
    await revive();
    clock.advance(WAIT);
    return results.head >= expected.length;
  }, `${expected.length} results`);
  await life!.pipelines.stop();
  const actual = (await contents(results)).map((record) => record.value);
  expect(sorted(actual)).toEqual(sorted(expected));
  expect(lives).toBeGreaterThan(5);
}

/** By id: results of different devices may be committed in any order. */
const sorted = (documents: readonly string[]): string[] => [...documents].sort();

/** The results of one run over all records: the pure parts, one after the other, in this thread. */
function oracle(
  pipeline: PipelineConfig,
  streams: readonly string[],
  records: readonly JournalRecord<Reading['value']>[][],
  terms: ModelTerms,
): string[] {
  const text = new ResultText('gw/p', 'p');
  text.use(windowModel(terms).model('probe'));
  const states = new Map<string, ModelState>();
  const documents: string[] = [];
  const sink = ({ key, time, ordinal, values, rows }: ClosedWindow): void => {
    const outcome = answer({ state: states.get(key), window: values, rows }, terms);
    if ('code' in outcome) return;
    if (outcome.state) states.set(key, outcome.state);
    const out = new TextBytes();
    text.writeDocument(out, key, time, ordinal, columnsOf(outcome.outputs), 0);
    documents.push(out.text(0, out.length));
  };
  const { join } = pipeline;
  const operator = new WindowOperator({
    window: pipeline.window,
    key: pipeline.key,
    columns: new Columns(streams.length > 1 ? streams : []),
    maxKeys: 100,
    within: streams.length < 2 ? 0 : join!.within,
    rows: 'rows' in pipeline.window ? pipeline.window.rows : undefined,
    join:
      streams.length < 2
        ? undefined
        : (joined) => new Joiner({ streams, ...join!, maxKeys: 100, sink: joined }),
    sink,
  });
  const merged = records.flatMap((list, input) => list.map((record) => ({ input, record })));
  merged.sort(
    (x, y) => x.record.arrival - y.record.arrival || x.input - y.input || x.record.seq - y.record.seq,
  );
  for (const { input, record } of merged) operator.feed(input, record);
  operator.advance(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  return documents;
}
