import { describe, expect, test } from 'vitest';
import { rejectedRecords } from '../../gateway/config/names.ts';
import type { Delivery, Sink, UpstreamRecord } from '../../gateway/ports/sink.ts';
import { readAll } from '../store/support.ts';
import { manualClock } from '../support/clock.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { append, auditHolds, outbox, reading, start } from './support.ts';

/** A receiver in memory behind the sink port: keeps what `answer` lets through. */
function memorySink(
  answer: (records: readonly UpstreamRecord[]) => Delivery = () => ({ kind: 'delivered' }),
) {
  const received: UpstreamRecord[] = [];
  let ready: () => void = () => {};
  const sink: Sink = {
    id: 'cloud',
    batch: 10,
    async deliver(records) {
      const delivery = answer(records);
      const count = { delivered: records.length, partial: 0, unavailable: 0, refused: 0 }[delivery.kind];
      const taken =
        delivery.kind === 'partial' ? delivery.count : delivery.kind === 'refused' ? delivery.index : count;
      received.push(...records.slice(0, taken));
      return delivery;
    },
    onReady(listener) {
      ready = listener;
    },
    async start() {},
    async stop() {},
  };
  return {
    sink,
    received,
    ready: () => ready(),
    values: () => received.map((r) => JSON.parse(r.body).values.v as number),
  };
}

const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);
const readings = (count: number, from = 0) => numbers(count, from).map((v) => reading(`d${v % 3}`, v, v));

describe('forwarding', () => {
  test('sends what waits and what comes, in order, and moves the cursor', async () => {
    const { sink, received, values } = memorySink();
    const { store, readings: stream, forwarders } = await outbox({ folder: temporaryFolder(), sink });
    await append(stream, readings(35));
    await start(forwarders);
    await until(() => received.length === 35, 'the backlog');
    await append(stream, readings(35, 35));
    await until(() => received.length === 70, 'the rest');
    expect(values()).toEqual(numbers(70));
    expect(received[4]!.id).toBe('gw/s/d1/4-2');
    await until(
      () => store.cursors().some((c) => c.consumer === 'upstream/cloud' && c.seq === 70),
      'the cursor',
    );
    expect(forwarders.stats()[0]).toMatchObject({
      id: 'cloud',
      connected: true,
      delivered: 70,
      pending: { records: 0, bytes: 0 },
      oldestAgeMs: null,
      drainSeconds: 0,
      lastError: null,
    });
    expect(await auditHolds(store)).toBe(true);
  });

  test('goes on behind what was delivered after a restart', async () => {
    const folder = temporaryFolder();
    const first = memorySink();
    const before = await outbox({ folder, sink: first.sink });
    await append(before.readings, readings(20));
    await start(before.forwarders);
    await until(() => first.received.length === 20, 'the first');
    await append(before.readings, readings(5, 20));
    await before.close();
    const second = memorySink();
    const after = await outbox({ folder, sink: second.sink });
    await start(after.forwarders);
    await append(after.readings, readings(5, 25));
    await until(() => new Set([...first.values(), ...second.values()]).size === 30, 'all');
    expect(second.values()[0]).toBeGreaterThanOrEqual(20);
  });

  test('tries again from where a partial delivery ended', async () => {
    let tries = 0;
    const { sink, values } = memorySink((records) =>
      ++tries % 2
        ? { kind: 'partial', count: Math.min(3, records.length), reason: 'cut' }
        : { kind: 'delivered' },
    );
    const { readings: stream, forwarders } = await outbox({ folder: temporaryFolder(), sink });
    await append(stream, readings(50));
    await start(forwarders);
    await until(() => values().length >= 50, 'all');
    expect(values()).toEqual(numbers(50));
  });

  test('a refused record is kept with the reason and passed over', async () => {
    const { sink, values } = memorySink((records) => {
      const index = records.findIndex(({ body }) => body.includes('"v":13}'));
      return index < 0 ? { kind: 'delivered' } : { kind: 'refused', index, reason: 'unlucky' };
    });
    const { readings: stream, forwarders, store } = await outbox({ folder: temporaryFolder(), sink });
    await append(stream, readings(30));
    await start(forwarders);
    await until(() => values().length === 29, 'the others');
    expect(values()).toEqual(numbers(30).filter((v) => v !== 13));
    const parked = await readAll(store.stream<string>(rejectedRecords('cloud'), undefined as never));
    expect(JSON.parse(parked[0]!.value)).toMatchObject({
      code: 'UPSTREAM_REFUSED',
      message: 'unlucky',
      record: { id: 'gw/s/d1/13-5', source: 's' },
    });
    expect(forwarders.stats()[0]).toMatchObject({ delivered: 29, refused: 1 });
    expect(await auditHolds(store)).toBe(true);
  });

  test('streams take turns, so that a backlog of one does not hold up another', async () => {
    const { sink, received } = memorySink();
    const config = { streams: [{ id: 's' }, { id: 'other' }] };
    const { readings: stream, store, forwarders } = await outbox({ folder: temporaryFolder(), sink, config });
    await append(stream, readings(500));
    await append(store.stream('other', undefined as never), [reading('x', 1, 1)]);
    await start(forwarders);
    await until(() => received.length === 501, 'all');
    expect(received.findIndex(({ source }) => source === 'other')).toBeLessThanOrEqual(10);
  });

  test('sends results, aggregates and alarms as they were written', async () => {
    const { sink, received } = memorySink();
    const { store, forwarders } = await outbox({
      folder: temporaryFolder(),
      sink,
      upstream: { send: ['results', 'aggregates', 'alarms', 'receipts'] },
      config: {
        pipelines: [{ id: 'p', from: 's', window: { count: 1 }, model: 'm' }],
        aggregates: [{ from: 's', every: '60s' }],
      },
    });
    const texts = {
      '$result/p': 'result',
      '$aggregate/s-60s': 'aggregate',
      $alarm: 'alarm',
      $receipt: 'receipt',
    };
    for (const [name, kind] of Object.entries(texts)) {
      await append(store.stream<string>(name, undefined as never), [
        { device: 'd', time: 5, flags: 0, value: `{"id":"gw/${kind}/d/5-1"}` },
      ]);
    }
    await start(forwarders);
    await until(() => received.length === 4, 'all four');
    expect(received.map(({ kind, id, body }) => [kind, id, body]).sort()).toEqual(
      Object.values(texts)
        .map((kind) => [kind, `gw/${kind}/d/5-1`, `{"id":"gw/${kind}/d/5-1"}`])
        .sort(),
    );
  });
});

describe('an outage', () => {
  test('is waited out with growing pauses, alarmed after a minute, and over at once when the sink is ready', async () => {
    const clock = manualClock();
    let up = false;
    let tries = 0;
    const { sink, received, ready } = memorySink(() => {
      tries++;
      return up ? { kind: 'delivered' } : { kind: 'unavailable', reason: 'ECONNREFUSED' };
    });
    const { readings: stream, forwarders, alarms } = await outbox({ folder: temporaryFolder(), sink, clock });
    await append(stream, readings(5));
    await start(forwarders);
    await until(() => tries === 1, 'the first try');
    const status = () => forwarders.stats()[0]!;
    await until(() => status().lastError !== null, 'the error');
    for (let i = 0; i < 100; i++) {
      clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(alarms.active().map(({ kind, message }) => [kind, message])).toEqual([
      ['uplink-down', expect.stringContaining('ECONNREFUSED')],
    ]);
    expect(status()).toMatchObject({
      connected: false,
      pending: { records: 5 },
      lastError: { reason: 'ECONNREFUSED' },
    });
    expect(status().oldestAgeMs).toBeGreaterThanOrEqual(100_000);
    up = true;
    ready();
    await until(() => received.length === 5, 'the records');
    expect(alarms.active()).toEqual([]);
    expect(status().connected).toBe(true);
  });

  test('is not ended before the time the receiver asked for', async () => {
    const clock = manualClock();
    let tries = 0;
    const { sink } = memorySink(() => {
      tries++;
      return { kind: 'unavailable', reason: 'busy', retryAfterMs: 20_000 };
    });
    const { readings: stream, forwarders } = await outbox({ folder: temporaryFolder(), sink, clock });
    await append(stream, readings(1));
    await start(forwarders);
    await until(() => forwarders.stats()[0]!.lastError !== null, 'the answer');
    clock.advance(19_999);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(tries).toBe(1);
    clock.advance(1);
    await until(() => tries === 2, 'the second try');
  });

  test('a sink that throws is an outage, not the end', async () => {
    let tries = 0;
    const { sink, received } = memorySink(() => {
      if (++tries < 3) throw new Error('broken');
      return { kind: 'delivered' };
    });
    const { readings: stream, forwarders } = await outbox({ folder: temporaryFolder(), sink });
    await append(stream, readings(3));
    await start(forwarders);
    await until(() => received.length === 3, 'the records');
  });
});

describe('a full outbox', () => {
  /** Journal bytes of the first `count` of `total` readings. */
  const gate = () => {
    let up = false;
    const made = memorySink(() => (up ? { kind: 'delivered' } : { kind: 'unavailable', reason: 'away' }));
    return {
      ...made,
      open: () => {
        up = true;
        made.ready();
      },
    };
  };

  test('with drop-oldest gives up the oldest, counted as expired, and sends the newest', async () => {
    const { sink, values, open } = gate();
    const upstream = { buffer: { maxBytes: 5000, whenFull: 'drop-oldest' } };
    const {
      readings: stream,
      forwarders,
      store,
      alarms,
    } = await outbox({ folder: temporaryFolder(), sink, upstream });
    await start(forwarders);
    for (let i = 0; i < 40; i++) await append(stream, readings(25, i * 25));
    const status = () => forwarders.stats()[0]!;
    await until(() => status().pending.bytes <= 5000, 'the quota');
    expect(alarms.active().map(({ kind }) => kind)).toContain('outbox-full');
    const { expired } = status();
    expect(expired).toBeGreaterThan(500);
    open();
    await until(() => status().pending.records === 0, 'the rest');
    expect(values()).toEqual(numbers(1000).slice(expired));
    await until(() => store.cursors().some(({ seq }) => seq === 1000), 'the cursor');
    const [row] = await store.audit();
    expect(row).toMatchObject({
      accepted: 1000,
      forwarded: 1000 - expired,
      expired,
      pending: 0,
      holds: true,
    });
    expect(alarms.active().map(({ kind }) => kind)).not.toContain('outbox-full');
  });

  test('with reject-new keeps the oldest, and what was turned away stays so over a restart', async () => {
    const folder = temporaryFolder();
    const upstream = { buffer: { maxBytes: 5000, whenFull: 'reject-new' } };
    const first = gate();
    const before = await outbox({ folder, sink: first.sink, upstream });
    await start(before.forwarders);
    for (let i = 0; i < 40; i++) await append(before.readings, readings(25, i * 25));
    await until(() => before.forwarders.stats()[0]!.pending.bytes > 4000, 'the quota');
    const kept = before.forwarders.stats()[0]!.pending.records;
    expect(kept).toBeLessThan(400);
    await before.close();

    const second = gate();
    const after = await outbox({ folder, sink: second.sink, upstream });
    await start(after.forwarders);
    expect(after.forwarders.stats()[0]!.pending.records).toBe(kept);
    second.open();
    await until(() => after.forwarders.stats()[0]!.pending.records === 0, 'the rest');
    await until(() => after.store.cursors().some(({ seq }) => seq === 1000), 'the cursor');
    await append(after.readings, readings(10, 1000));
    await until(() => second.values().includes(1009), 'the new ones');
    expect(second.values()).toEqual([...numbers(kept), ...numbers(10, 1000)]);
    await until(() => after.store.cursors().some(({ seq }) => seq === 1010), 'the cursor');
    const [row] = await after.store.audit();
    expect(row).toMatchObject({ accepted: 1010, expired: 1000 - kept, forwarded: kept + 10, holds: true });
  });
});
