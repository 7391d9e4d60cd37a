import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/tmp.ts';
import { append, audited, makeStore, readAll, record, startedStore, TEXT } from './support.ts';

describe('journal', () => {
  it('numbers records per stream and per device, and reads them back after a restart', async () => {
    const dir = temporaryFolder();
    const first = await startedStore(dir);
    const stream = first.store.stream('s', TEXT);
    await append(stream, record('a'), record('b', 'd2'), record('c'));
    await append(stream, record('d', 'd2', 1234.5));
    expect(stream.head).toBe(4);
    const before = await readAll(stream);
    expect(before.map(({ seq, device, deviceSeq, value }) => [seq, device, deviceSeq, value])).toEqual([
      [1, 'd1', 1, 'a'],
      [2, 'd2', 1, 'b'],
      [3, 'd1', 2, 'c'],
      [4, 'd2', 2, 'd'],
    ]);
    await first.store.stop();

    const second = makeStore(dir);
    const again = second.store.stream('s', TEXT);
    await second.store.start(new AbortController().signal);
    expect([again.head, again.tail]).toEqual([4, 1]);
    expect(await readAll(again, 0, 3)).toEqual(before);
    await append(again, record('e', 'd2'));
    expect((await readAll(again, 4))[0]).toMatchObject({ seq: 5, deviceSeq: 3 });
    expect([...again.devices()].map((one) => [one.device, one.count, one.lastSeq])).toEqual([
      ['d1', 2, 3],
      ['d2', 3, 5],
    ]);
    await second.store.stop();
  });

  it('answers from memory what was just committed', async () => {
    const { store } = await startedStore(temporaryFolder());
    const stream = store.stream('s', TEXT);
    store.consumer('c', 's', 'oldest');
    await append(stream, record('a'), record('b'));
    expect(stream.read(1, 10)).toMatchObject([{ seq: 2, value: 'b' }]);
    await store.stop();
  });

  it('has every record up to its head for a reader, at whatever moment that looks', async () => {
    const { store } = await startedStore(temporaryFolder());
    const stream = store.stream('s', TEXT);
    store.consumer('c', 's', 'oldest');
    const seen: number[] = [];
    let appended = 0;
    let running = true;
    // A reader of other work on the thread than the store's own messages, as the answers of a model are.
    const look = async (): Promise<void> => {
      while (running || seen.length < appended) {
        const head = stream.head;
        if (head > seen.length) {
          const records = await stream.read(seen.length, 512);
          if (records.length === 0)
            throw new Error(`nothing to read after ${seen.length}, the head is ${head}`);
          for (const { seq } of records) seen.push(seq);
        }
        await new Promise((next) => setImmediate(next));
      }
    };
    const fill = async (): Promise<void> => {
      for (let round = 0; round < 600; round++) {
        const records = Array.from({ length: (round % 40) + 1 }, () => record('x'));
        appended += records.length;
        await append(stream, ...records);
      }
      running = false;
    };
    await Promise.all([look(), fill()]);
    expect(seen).toEqual(Array.from({ length: appended }, (_, index) => index + 1));
    await store.stop();
  });

  it('refuses what it cannot take without a gap', async () => {
    const { store } = await startedStore(temporaryFolder());
    const stream = store.stream('s', { ...TEXT, maxDevices: 2 });
    await append(stream, record('a', 'd1'));
    await expect(append(stream, record('b', 'd2'), record('c', 'd3'))).rejects.toMatchObject({
      code: 'STORE_DEVICES',
    });
    await append(stream, record('d', 'd3'));
    const all = await readAll(stream);
    expect(all.map(({ seq, device, deviceSeq }) => [seq, device, deviceSeq])).toEqual([
      [1, 'd1', 1],
      [2, 'd3', 1],
    ]);
    await store.stop();
    await expect(append(stream, record('x'))).rejects.toMatchObject({ code: 'STORE_CLOSED' });
  });
});

describe('transactions', () => {
  it('commits outputs, cursor and state together', async () => {
    const dir = temporaryFolder();
    const { store } = await startedStore(dir);
    const source = store.stream('s', TEXT);
    store.stream('$result/p', { ...TEXT, internal: true });
    expect(store.consumer('p', 's', 'oldest')).toEqual({ consumer: 'p', stream: 's', seq: 0 });
    await append(source, record('a'), record('b'), record('c'));
    await store.commit({
      appends: [{ stream: '$result/p', records: [record('A')] }],
      cursors: [{ consumer: 'p', stream: 's', seq: 2 }],
      states: [{ consumer: 'p', key: 'd1', asOf: 2, bytes: new Uint8Array([1, 2, 3]) }],
    });
    await store.stop();

    const { store: again } = await startedStore(dir);
    const result = again.stream('$result/p', { ...TEXT, internal: true });
    again.stream('s', TEXT);
    expect(again.consumer('p', 's', 'oldest').seq).toBe(2);
    expect(await readAll(result)).toMatchObject([{ value: 'A' }]);
    const states = await again.states('p');
    expect(states).toEqual([{ key: 'd1', asOf: 2, bytes: new Uint8Array([1, 2, 3]) }]);
    expect((await audited(again)).s).toMatchObject({
      accepted: 3,
      forwarded: 2,
      pending: 1,
      expired: 0,
      holds: true,
      consumers: [{ consumer: 'p', processed: 2, pending: 1, expired: 0 }],
    });
    await again.stop();
  });

  it('carries operations along with appended records: both are stored or neither', async () => {
    const module = new URL('./counter-module.ts', import.meta.url);
    const { store } = await startedStore(temporaryFolder(), { modules: [module] });
    const stream = store.stream('s', { ...TEXT, maxDevices: 1 });
    const add = (by: number) => [{ op: 'counter.add', args: { name: 'n', by } }];
    const appendWith = (value: string, by: number, device = 'd1') =>
      new Promise<void>((resolve, reject) => {
        const done = (error: Error | null) => (error ? reject(error) : resolve());
        stream.append([record(value, device)], done, add(by));
      });
    const outcomes = await Promise.allSettled([
      appendWith('a', 3),
      append(stream, record('b')),
      appendWith('its operation fails', -9),
      appendWith('its device is one too many', 5, 'd2'),
      appendWith('c', -1),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ]);
    expect(outcomes[2]).toMatchObject({ reason: { code: 'USAGE' } });
    expect(outcomes[3]).toMatchObject({ reason: { code: 'STORE_DEVICES' } });
    expect(await store.query('counter.value', 'n')).toBe(2);
    expect((await readAll(stream)).map(({ value }) => value).sort()).toEqual(['a', 'b', 'c']);
    await store.stop();
  });

  it('fails alone, and the records around it stay numbered without a gap', async () => {
    const { store } = await startedStore(temporaryFolder());
    const stream = store.stream('s', TEXT);
    store.stream('out', TEXT);
    store.consumer('c', 's', 'oldest');
    const results = await Promise.allSettled([
      append(stream, record('a')),
      store.commit({ appends: [{ stream: 'out', records: [record('1')] }] }),
      store.commit({
        appends: [{ stream: 'out', records: [record('bad')] }],
        cursors: [{ consumer: 'c', stream: 's', seq: 99 }],
      }),
      store.commit({ appends: [{ stream: 'out', records: [record('2')] }] }),
      append(stream, record('b')),
    ]);
    expect(results.map((result) => result.status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    const out = store.stream('out', TEXT);
    expect((await readAll(out)).map(({ seq, deviceSeq, value }) => [seq, deviceSeq, value])).toEqual([
      [1, 1, '1'],
      [2, 2, '2'],
    ]);
    expect((await readAll(stream)).map((one) => one.value)).toEqual(['a', 'b']);
    await store.stop();
  });
});
