import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStoreReader } from '../../gateway/store/reader.ts';
import { manualClock } from '../support/clock.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { append, audited, readAll, record, startedStore, TEXT } from './support.ts';

const KIB = 'x'.repeat(1000);

describe('retention', () => {
  it('keeps a stream within maxBytes, and counts what a consumer had not had', async () => {
    const { store, alarms } = await startedStore(temporaryFolder());
    const stream = store.stream('s', { ...TEXT, maxBytes: 100_000 });
    const slow = store.consumer('slow', 's', 'oldest');
    const fast = store.consumer('fast', 's', 'oldest');
    for (let round = 0; round < 50; round++) {
      await append(stream, ...Array.from({ length: 10 }, () => record(KIB)));
      await store.commit({ cursors: [{ ...fast, seq: stream.head }] });
      if (round === 4) await store.commit({ cursors: [{ ...slow, seq: 30 }] });
    }
    expect(stream.stats().bytes).toBeLessThanOrEqual(100_000);
    expect(stream.tail).toBeGreaterThan(400);
    const expired = stream.tail - 1 - 30;
    expect((await audited(store)).s).toMatchObject({
      accepted: 500,
      expired,
      forwarded: 30,
      pending: 500 - 30 - expired,
      holds: true,
      consumers: [
        { consumer: 'fast', processed: 500, pending: 0, expired: 0 },
        { consumer: 'slow', processed: 30, expired },
      ],
    });
    expect(store.cursors().find((one) => one.consumer === 'slow')?.expired).toBe(expired);
    expect(alarms.active().map((alarm) => alarm.kind)).toContain('journal-expired');
    const records = await stream.read(30, 5);
    expect(records[0]?.seq).toBe(stream.tail);
    await store.stop();
  });

  it('lets records go by age, but not while the clock is not believed', async () => {
    const clock = manualClock();
    const { store } = await startedStore(temporaryFolder(), { clock });
    const stream = store.stream('s', { ...TEXT, maxAgeMs: 60_000 });
    await append(stream, record('old'));
    clock.setSynced(false);
    clock.advance(100_000);
    await append(stream, record('new'));
    expect(stream.tail).toBe(1);
    clock.setSynced(true);
    clock.advance(10_000);
    await until(() => stream.tail === 2, 'the old record to go');
    expect((await readAll(stream)).map((one) => one.value)).toEqual(['new']);
    await store.stop();
  });

  it('lets go of what is left of a stream that nobody opens any more, after a month', async () => {
    const dir = temporaryFolder();
    const clock = manualClock();
    const first = await startedStore(dir, { clock });
    await append(first.store.stream('left', { ...TEXT, maxAgeMs: Number.MAX_SAFE_INTEGER }), record('old'));
    await first.store.stop();
    clock.advance(31 * 86_400_000);
    const { store } = await startedStore(dir, { clock });
    clock.advance(10_000);
    await store.commit({});
    expect(await audited(store)).toMatchObject({ left: { accepted: 1, pending: 0, holds: true } });
    await store.retireConsumers([]);
    clock.advance(10_000);
    const left = store.stream('left', TEXT);
    await until(() => left.tail === 2, 'the old record to go');
    expect((await audited(store)).left).toMatchObject({ accepted: 1, forwarded: 1, pending: 0, holds: true });
    await store.stop();
  });

  it('refuses new records of a full reject-new stream until its consumer has caught up', async () => {
    const { store, alarms } = await startedStore(temporaryFolder());
    const stream = store.stream('s', { ...TEXT, maxBytes: 50_000, whenFull: 'reject-new' });
    const consumer = store.consumer('c', 's', 'oldest');
    let stored = 0;
    let refused: unknown;
    while (refused === undefined) {
      await append(stream, record(KIB)).then(
        () => stored++,
        (error: unknown) => (refused = error),
      );
    }
    expect(refused).toMatchObject({ code: 'STORE_FULL' });
    expect(stored).toBeGreaterThan(40);
    expect(alarms.active().map((alarm) => alarm.kind)).toContain('journal-full');
    // What a door appends is refused also when operations come along with it: its client must be told.
    const withOps = await new Promise((resolve) =>
      stream.append([record('with an operation')], resolve, [{ op: 'none.such', args: null }]),
    );
    expect(withOps).toMatchObject({ code: 'STORE_FULL' });
    // A consumer's output into a full stream waits for room instead of failing.
    let waited = false;
    const output = store.commit({ appends: [{ stream: 's', records: [record('from a consumer')] }] });
    void output.then(() => (waited = true));
    await store.audit();
    expect(waited).toBe(false);
    await store.commit({ cursors: [{ ...consumer, seq: stored }] });
    await output;
    expect(alarms.active().map((alarm) => alarm.kind)).not.toContain('journal-full');
    await append(stream, record('next'));
    expect((await audited(store)).s).toMatchObject({ accepted: stored + 2, expired: 0, holds: true });
    await store.stop();
  });

  it('gives the space back to the file system', async () => {
    const clock = manualClock();
    const dir = temporaryFolder();
    const { store } = await startedStore(dir, { clock });
    const stream = store.stream('s', { ...TEXT, maxAgeMs: 60_000 });
    for (let round = 0; round < 20; round++) {
      await append(stream, ...Array.from({ length: 500 }, () => record(KIB)));
    }
    const size = () => statSync(join(dir, 'gateway.db')).size + statSync(join(dir, 'gateway.db-wal')).size;
    const before = size();
    expect(before).toBeGreaterThan(10_000_000);
    clock.advance(100_000);
    await until(() => stream.stats().records === 0 && size() < before / 4, 'the files to shrink');
    expect(stream.stats()).toMatchObject({ records: 0, bytes: 0, tail: 10_001 });
    await append(stream, record('next'));
    expect(stream.head).toBe(10_001);
    await store.stop();
  });
});

describe('time', () => {
  it('never lets arrival go back along a stream, not even over a restart', async () => {
    const dir = temporaryFolder();
    const clock = manualClock(5_000_000);
    const first = await startedStore(dir, { clock });
    await append(first.store.stream('s', TEXT), record('a'));
    clock.set(1000);
    await append(first.store.stream('s', TEXT), record('b'));
    await first.store.stop();
    const second = await startedStore(dir, { clock: manualClock(2000) });
    const stream = second.store.stream('s', TEXT);
    await append(stream, record('c'));
    expect((await readAll(stream)).map((one) => one.arrival)).toEqual([5_000_000, 5_000_000, 5_000_000]);
    await second.store.stop();
  });
});

describe('other processes', () => {
  it('are kept out, but may read', async () => {
    const dir = temporaryFolder();
    const module = new URL('./counter-module.ts', import.meta.url);
    const { store } = await startedStore(dir, { modules: [module] });
    const stream = store.stream('s', TEXT);
    await append(stream, record('a'), record('b'));
    await expect(startedStore(dir)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await store.commit({ ops: [{ op: 'counter.add', args: { name: 'n', by: 5 } }] });
    const reader = await openStoreReader(dir, [module]);
    expect(reader.audit([])).toMatchObject([{ stream: 's', accepted: 2, forwarded: 2, holds: true }]);
    expect(reader.query('counter.value', 'n')).toBe(5);
    await append(stream, record('c'));
    expect(reader.audit([])).toMatchObject([{ stream: 's', accepted: 3 }]);
    reader.close();
    await store.stop();
    const again = await startedStore(dir);
    await again.store.stop();
  });
});

describe('modules', () => {
  it('fail alone, and their answers come in order', async () => {
    const module = new URL('./counter-module.ts', import.meta.url);
    const { store } = await startedStore(temporaryFolder(), { modules: [module] });
    store.stream('out', TEXT);
    const add = (by: number) => ({ op: 'counter.add', args: { name: 'n', by } });
    const results = await Promise.allSettled([
      store.commit({ ops: [add(3), add(4)] }),
      store.commit({ ops: [add(-100)], appends: [{ stream: 'out', records: [record('never')] }] }),
      store.commit({ ops: [add(-200)] }),
      store.commit({ ops: [add(1)], appends: [{ stream: 'out', records: [record('kept')] }] }),
    ]);
    expect(results[0]).toMatchObject({ value: [3, 7] });
    expect(results[1]).toMatchObject({ reason: { code: 'USAGE', message: 'below zero' } });
    expect(results[2]).toMatchObject({ reason: { code: 'USAGE' } });
    expect(results[3]).toMatchObject({ value: [8] });
    expect(await store.query('counter.value', 'n')).toBe(8);
    const out = await readAll(store.stream('out', TEXT));
    expect(out.map(({ seq, value }) => [seq, value])).toEqual([[1, 'kept']]);
    await store.stop();
  });
});

describe('consumers', () => {
  it('that are retired hold nothing back and are not counted', async () => {
    const { store } = await startedStore(temporaryFolder());
    const stream = store.stream('s', TEXT);
    const kept = store.consumer('kept', 's', 'oldest');
    store.consumer('gone', 's', 'oldest');
    await append(stream, record('a'), record('b'), record('c'));
    await store.commit({
      cursors: [{ ...kept, seq: 2 }],
      states: [{ consumer: 'gone', key: 'k', asOf: 1, bytes: new Uint8Array(1) }],
    });
    expect((await audited(store)).s).toMatchObject({ forwarded: 0, pending: 3, holds: true });
    await store.retireConsumers([{ consumer: 'kept', stream: 's' }]);
    expect((await audited(store)).s).toMatchObject({ forwarded: 2, pending: 1, holds: true });
    expect(await store.states('gone')).toEqual([]);
    const late = store.consumer('late', 's', 'newest');
    expect(late.seq).toBe(3);
    await store.commit({});
    expect((await audited(store)).s).toMatchObject({ forwarded: 2, pending: 1, holds: true });
    await store.stop();
  });

  it('of a stream that they no longer read hold nothing back there, and keep their state', async () => {
    const dir = temporaryFolder();
    const { store } = await startedStore(dir);
    const [old, present] = [store.stream('old', TEXT), store.stream('present', TEXT)];
    store.consumer('p', 'old', 'oldest');
    store.consumer('p', 'present', 'oldest');
    await append(old, record('a'));
    await append(present, record('b'));
    await store.commit({ states: [{ consumer: 'p', key: 'k', asOf: 1, bytes: new Uint8Array(1) }] });
    await store.retireConsumers([{ consumer: 'p', stream: 'present' }]);
    expect(await audited(store)).toMatchObject({
      old: { forwarded: 1, pending: 0, consumers: [], holds: true },
      present: { forwarded: 0, pending: 1, consumers: [{ consumer: 'p' }], holds: true },
    });
    expect(await store.states('p')).toHaveLength(1);
    await store.stop();
    const again = await startedStore(dir);
    expect(again.store.cursors().map(({ stream }) => stream)).toEqual(['present']);
    await again.store.stop();
  });
});

describe('the audit', () => {
  it('lists every stream that was opened, also one that only ever had rejected payloads', async () => {
    const dir = temporaryFolder();
    const { store } = await startedStore(dir);
    store.stream('silent', TEXT);
    store.stream('nonsense', TEXT);
    store.stream('$result/p', { ...TEXT, internal: true });
    await append(store.stream('$rejected/nonsense', TEXT), record('?'), record('?'));
    const rows = [
      { stream: 'silent', accepted: 0, rejected: 0, holds: true },
      { stream: 'nonsense', accepted: 2, rejected: 2, forwarded: 0, pending: 0, holds: true },
    ];
    expect(await store.audit()).toMatchObject(rows);
    await store.stop();
    const reader = await openStoreReader(dir);
    expect(reader.audit(['silent', 'nonsense'])).toMatchObject(rows);
    reader.close();
  });
});
