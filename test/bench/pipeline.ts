import { resultStream } from '../../gateway/config/names.ts';
import { Pipeline } from '../../gateway/pipeline/pipeline.ts';
import { StreamSource } from '../../gateway/pipeline/stream-source.ts';
import type { AnsweredPart, Inference } from '../../gateway/ports/inference.ts';
import type { ReadingValue } from '../../gateway/ports/reading.ts';
import { textCodec } from '../../gateway/store/codecs.ts';
import type { JournalRecord, JournalStream, Store } from '../../gateway/store/types.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { parseConfig } from '../pipeline/harness.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';

/**
 * Main-thread cost of a pipeline per reading, without its model and its store: `count: 64, every: 1`, 100 devices,
 * one number each. Run: `node test/bench/pipeline.ts [READINGS]`. Prints one JSON line per round.
 */

const READINGS = Number(process.argv[2] ?? 300_000);
const DEVICES = 100;
const ROUNDS = 5;

const fields = ['value'];
const devices = Array.from({ length: DEVICES }, (_, i) => `machine-${i}`);

function journal(): { stream: JournalStream<ReadingValue>; more: () => void } {
  const records: JournalRecord<ReadingValue>[] = [];
  for (let i = 0; i < READINGS; i++) {
    const time = 1_780_000_000_000 + i;
    const device = devices[i % DEVICES]!;
    const value = { fields, values: [20 + Math.sin(i / 50)] };
    records.push({
      seq: i + 1,
      device,
      deviceSeq: 1 + Math.floor(i / DEVICES),
      time,
      arrival: time,
      flags: 0,
      value,
    });
  }
  let listener: () => void = () => undefined;
  const stream = {
    name: 'bench',
    head: READINGS,
    tail: 1,
    read: (after: number, limit: number) => records.slice(after, after + limit),
    onCommit: (wake: () => void) => {
      listener = wake;
      return () => undefined;
    },
  };
  return { stream: stream as unknown as JournalStream<ReadingValue>, more: () => listener() };
}

const SCORES = Float32Array.from({ length: 128 }, (_, i) => Math.sin(i));
const LABELS = new Float32Array(128);

const answered = (count: number): AnsweredPart => ({
  from: 0,
  to: count,
  columns: [
    { name: 'score', kind: 'numbers', labels: undefined, single: true, per: 1, data: SCORES },
    { name: 'label', kind: 'label', labels: ['normal'], single: true, per: 1, data: LABELS },
  ],
  states: undefined,
  computeUs: 3,
});

const INFO = {
  name: 'bench',
  version: '1.0.0',
  sha256: '0'.repeat(64),
  features: [],
  rows: 64,
  recurrent: false,
  maxBatch: 128,
  inputs: [],
  outputs: [],
};

const inference: Inference = {
  model: () => INFO,
  route: () => INFO,
  infer: () => Promise.reject(new Error('windows only')),
  versions: () => ['1.0.0'],
  ready: () => true,
  run: async (reference, { windows }) => ({
    model: inference.model(reference),
    parts: [answered(windows.length)],
    failures: [],
  }),
};

async function round(): Promise<object> {
  const { stream } = journal();
  let results = 0;
  let commits = 0;
  const finished = Promise.withResolvers<void>();
  const store = {
    consumer: () => ({ seq: 0 }),
    states: async () => [],
    async commit({ appends, cursors }: Parameters<Store['commit']>[0]) {
      commits++;
      for (const append of appends ?? []) results += append.records.length;
      if (cursors?.[0]?.seq === READINGS) finished.resolve();
      return [];
    },
    stream: () => stream,
  } as unknown as Store;
  const config = parseConfig({
    streams: [{ id: 'bench', fields: { value: {} } }],
    pipelines: [{ id: 'bench', from: 'bench', window: { count: 64, every: 1 }, model: 'bench' }],
  });
  const named = (name: string) => ({ name, codec: textCodec }) as unknown as JournalStream<string>;
  const pipeline = new Pipeline({
    gateway: 'gw',
    pipeline: config.pipelines[0]!,
    maxDevices: 1000,
    source: new StreamSource(stream),
    sourceConfigs: [config.streams[0]],
    results: named(resultStream('bench')),
    rejected: named('$rejected/pipeline-bench'),
    store,
    inference,
    meter: undefined,
    clock: systemClock(),
    log: recordingLog(),
    alarms: recordingAlarms(),
    snapshotBytes: undefined,
    published: () => undefined,
    shedding: () => undefined,
  });
  const cpu = process.cpuUsage();
  const began = performance.now();
  await pipeline.start(new AbortController().signal);
  await finished.promise;
  const wall = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  await pipeline.stop();
  return {
    bench: 'pipeline',
    readings: READINGS,
    results,
    commits,
    wallUsPerReading: Number(((wall * 1000) / READINGS).toFixed(2)),
    cpuUsPerReading: Number(((user + system) / READINGS).toFixed(2)),
  };
}

for (let i = 0; i < ROUNDS; i++) console.log(JSON.stringify(await round()));
