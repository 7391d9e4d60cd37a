import assert from 'node:assert/strict';
import type { JournalStream } from '../../gateway/store/types.ts';
import { append, readAll, record, startedStore, TEXT } from './support.ts';

/**
 * Run by crash.test.ts in a process of its own: checks what the last run left behind against what was acknowledged
 * (`node crash-child.ts DIR SEED ACKNOWLEDGED`), then appends and consumes until it is killed. Prints `ack SEQ` when
 * everything up to SEQ was acknowledged. The value of each record is its own seq.
 */
const [dir, seed, acknowledged] = process.argv.slice(2) as [string, string, string];
const module = new URL('./counter-module.ts', import.meta.url);
const { store } = await startedStore(dir, { modules: [module] });
const source = store.stream('s', TEXT);
const result = store.stream('$result/p', { ...TEXT, internal: true });
const consumer = store.consumer('p', 's', 'oldest');

await check();
console.log(`checked ${source.head} ${consumer.seq}`);
let random = Number(seed);
void produce();
void consume(consumer.seq);

async function check(): Promise<void> {
  assert.ok(source.head >= Number(acknowledged), `acknowledged ${acknowledged}, kept ${source.head}`);
  const records = await readAll(source, 0, 5000);
  records.forEach(({ seq, value, deviceSeq }, index) => {
    assert.equal(seq, index + 1);
    assert.equal(value, String(seq));
    assert.equal(deviceSeq, Math.ceil(seq / 3));
  });
  assert.equal(records.length, source.head);
  const results = await readAll(result, 0, 5000);
  assert.deepEqual(
    results.map((one) => Number(one.value)),
    Array.from({ length: consumer.seq }, (_, index) => index + 1),
  );
  assert.equal(await store.query('counter.value', 'processed'), consumer.seq);
  const states = await store.states('p');
  if (consumer.seq > 0) assert.equal(states[0]?.asOf, consumer.seq);
  for (const row of await store.audit()) assert.ok(row.holds, JSON.stringify(row));
  for (const device of source.devices()) {
    const index = Number(device.device.slice(1));
    assert.equal(device.count, Math.floor((source.head + 2 - index) / 3), device.device);
  }
}

function next(below: number): number {
  random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
  return random % below;
}

async function produce(): Promise<void> {
  for (let seq = source.head; ; ) {
    const waiting: Promise<void>[] = [];
    for (let calls = 1 + next(4); calls > 0; calls--) {
      const records = Array.from({ length: 1 + next(8) }, () => {
        const device = `d${seq % 3}`;
        return record(String(++seq), device, seq);
      });
      waiting.push(append(source, ...records));
    }
    const upTo = seq;
    void Promise.all(waiting).then(() => console.log(`ack ${upTo}`));
    if (next(4) === 0) await Promise.all(waiting);
    else await new Promise((resolve) => setTimeout(resolve, next(2)));
    if (store.outstandingBytes > 200_000) await Promise.all(waiting);
  }
}

async function consume(from: number): Promise<void> {
  for (let seq = from; ; ) {
    const records = await (source as JournalStream<string>).read(seq, 1 + next(200));
    const last = records[records.length - 1];
    if (last === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    const count = last.seq - seq;
    const [total] = await store.commit({
      appends: [{ stream: '$result/p', records: records.map((one) => record(one.value, one.device)) }],
      cursors: [{ consumer: 'p', stream: 's', seq: last.seq }],
      states: [{ consumer: 'p', key: 'all', asOf: last.seq, bytes: new Uint8Array(20) }],
      ops: [{ op: 'counter.add', args: { name: 'processed', by: count } }],
    });
    assert.equal(total, last.seq);
    seq = last.seq;
  }
}
