import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import { replay } from '../../gateway/replay/index.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { testData } from '../support/data.ts';
import { csvFile, DOORS, openDoors, STREAMS } from './harness.ts';

const seed = 20_260_603;
const clock = systemClock();
const START = Date.UTC(2026, 0, 1);
const stamp = (i: number) => new Date(START + i * 1000).toISOString();

describe.each(DOORS)('through the %s door', (door) => {
  test(`numbers of any size and sign come out bit-equal in every format (seed ${seed})`, async () => {
    const numbers = [
      ...[0, -0, 1, -1, 0.1, 73.96732207, 74.93588199999998, 1e21, 1.5e-9, 5e-324, Number.MAX_VALUE, 2 ** 53],
      ...fc.sample(fc.double({ noNaN: true, noDefaultInfinity: true }), { seed, numRuns: 40 }),
    ];
    const lines = numbers.map((n, i) => `${stamp(i)},${Object.is(n, -0) ? '-0' : n}`);
    const file = csvFile('timestamp,value', ...lines);
    const doors = await openDoors();
    for (const { id } of STREAMS) {
      const summary = await replay({
        file,
        stream: doors.stream(id),
        transport: doors.transport(door),
        clock,
      });
      expect(summary).toMatchObject({
        rows: numbers.length,
        acknowledged: numbers.length,
        rejected: 0,
        skipped: 0,
        timestamps: true,
        from: START,
        devices: 1,
      });
      const stored = await doors.stored(id);
      expect([id, stored.map((row) => row[1])]).toEqual([id, numbers.map((_, i) => START + i * 1000)]);
      expect(stored.every((row, i) => Object.is(row[2], numbers[i]))).toBe(true);
      expect(stored[0]![0]).toBe('recorded');
    }
  });

  test('many devices: each keeps its order, and rows may share a message', async () => {
    const doors = await openDoors();
    const lines = Array.from({ length: 600 }, (_, i) => `${START + i},d${i % 7},${i}`);
    const file = csvFile('time,device,value', ...lines);
    for (const rowsPerMessage of [1, 25]) {
      const id = rowsPerMessage === 1 ? 'senml-cbor' : 'senml-json';
      const summary = await replay({
        file,
        stream: doors.stream(id),
        transport: doors.transport(door),
        clock,
        rowsPerMessage,
      });
      expect(summary).toMatchObject({ rows: 600, acknowledged: 600, devices: 7 });
      const stored = await doors.stored(id);
      expect(stored).toHaveLength(600);
      for (let d = 0; d < 7; d += 1) {
        const own = stored.filter((row) => row[0] === `d${d}`).map((row) => row[2]);
        expect(own).toEqual(Array.from({ length: own.length }, (_, k) => d + 7 * k));
      }
    }
  });

  test('messages the gateway refuses for a while arrive in the end, in order', async () => {
    let offered = 0;
    let fullUntil = 0;
    const doors = await openDoors(STREAMS, (intake) => ({
      routes: (kind, address) => intake.routes(kind, address),
      offer(message, done) {
        offered += 1;
        if (offered === 30 || offered === 90) fullUntil = clock.monotonic() + 200;
        if (clock.monotonic() >= fullUntil) return intake.offer(message, done);
        const error = new GatewayError('STORE_FULL', 'the disk is full');
        return done({ kind: 'refused', error }, message);
      },
    }));
    const lines = Array.from({ length: 120 }, (_, i) => `${stamp(i)},${i}`);
    const file = csvFile('timestamp,value', ...lines);
    const summary = await replay({
      file,
      stream: doors.stream('senml-json'),
      transport: doors.transport(door),
      clock,
    });
    expect(summary.acknowledged).toBe(120);
    expect(summary.retries).toBeGreaterThan(0);
    const stored = (await doors.stored('senml-json')).map((row) => row[2] as number);
    expect([...new Set(stored)]).toEqual(Array.from({ length: 120 }, (_, i) => i));
  });

  test('a restart of the doors in the middle loses nothing and keeps the order', async () => {
    const doors = await openDoors();
    const lines = Array.from({ length: 400 }, (_, i) => `${stamp(i)},${i}`);
    let restarted: Promise<void> | undefined;
    const summary = await replay({
      file: csvFile('timestamp,value', ...lines),
      stream: doors.stream('cbor'),
      transport: doors.transport(door),
      clock,
      rate: 800,
      onProgress: ({ acknowledged }) => {
        if (acknowledged >= 150) restarted ??= doors.restartDoors();
      },
    });
    await restarted;
    expect(restarted).toBeDefined();
    expect(summary.acknowledged).toBe(400);
    const stored = (await doors.stored('cbor')).map((row) => row[2] as number);
    // At least once: what was under way may have come twice, as a block, and never out of order.
    const firsts = stored.filter((value, i) => stored.indexOf(value) === i);
    expect(firsts).toEqual(Array.from({ length: 400 }, (_, i) => i));
  });

  test('stops when told, and says so', async () => {
    const doors = await openDoors();
    const lines = Array.from({ length: 1000 }, (_, i) => `${stamp(i)},${i}`);
    const stop = new AbortController();
    const replayed = replay({
      file: csvFile('timestamp,value', ...lines),
      stream: doors.stream('cbor'),
      transport: doors.transport(door),
      clock,
      rate: 200,
      signal: stop.signal,
      onProgress: ({ acknowledged }) => {
        if (acknowledged >= 20) stop.abort(); // acknowledgements may come in lots
      },
    });
    await expect(replayed).rejects.toMatchObject({ code: 'REPLAY_STOPPED' });
    expect((await doors.stored('cbor')).length).toBeGreaterThanOrEqual(20);
  });

  test('a series of the Numenta benchmark: every row in is a row out', async ({ skip }) => {
    const folder = testData('nab', 'realKnownCause');
    if (folder === null) return skip();
    const file = join(
      folder,
      readdirSync(folder)
        .filter((name) => name.endsWith('.csv'))
        .sort()[0]!,
    );
    const rows = readFileSync(file, 'utf8').trim().split(/\r?\n/).slice(1);
    const doors = await openDoors();
    const summary = await replay({
      file,
      stream: doors.stream('senml-json'),
      transport: doors.transport(door),
      clock,
      device: 'm1',
      rowsPerMessage: door === 'coap' ? 50 : 1,
    });
    expect(summary.acknowledged).toBe(rows.length);
    const expected = rows.map((row) => {
      const [time, value] = row.split(',');
      return ['m1', Date.parse(`${time!.replace(' ', 'T')}Z`), Number(value)];
    });
    expect(await doors.stored('senml-json')).toEqual(expected);
    expect(basename(file)).toMatch(/\.csv$/);
  });
});

test('QoS 2 stores each row once although the connection is lost', async () => {
  const doors = await openDoors();
  const lines = Array.from({ length: 300 }, (_, i) => `${stamp(i)},${i}`);
  let restarted: Promise<void> | undefined;
  const summary = await replay({
    file: csvFile('timestamp,value', ...lines),
    stream: doors.stream('cbor'),
    transport: doors.transport('mqtt', 2),
    clock,
    rate: 600,
    onProgress: ({ acknowledged }) => {
      if (acknowledged >= 100) restarted ??= doors.restartDoors();
    },
  });
  await restarted;
  expect(summary.acknowledged).toBe(300);
  const stored = (await doors.stored('cbor')).map((row) => row[2]);
  expect(stored).toEqual(Array.from({ length: 300 }, (_, i) => i));
});

describe('what cannot be sent', () => {
  test('lines that are no rows are skipped and named; rejected rows are counted through CoAP', async () => {
    const doors = await openDoors([{ id: 's', decode: 'senml+json', fields: { value: { max: 10 } } }]);
    const summary = await replay({
      file: csvFile(
        'timestamp,value',
        `${stamp(0)},1`,
        'yesterday,2',
        `${stamp(1)}`,
        `${stamp(2)},99`,
        '',
        `${stamp(3)},3`,
      ),
      stream: doors.stream('s'),
      transport: doors.transport('coap'),
      clock,
    });
    expect(summary).toMatchObject({ rows: 3, acknowledged: 2, rejected: 1, skipped: 2 });
    expect(summary.problems.map((p) => p.line).toSorted((a, b) => a - b)).toEqual([3, 4, 5]);
    expect(await doors.rejected('s')).toBe(1);
  });

  test('a text stream keeps no recorded time, and says so', async () => {
    const doors = await openDoors([{ id: 't', decode: 'text' }]);
    const summary = await replay({
      file: csvFile('timestamp,value,other', `${stamp(0)},1.25,9`),
      stream: doors.stream('t'),
      transport: doors.transport('mqtt'),
      clock,
    });
    expect(summary).toMatchObject({ acknowledged: 1, timestamps: false });
    expect((await doors.stored('t')).map((row) => row[2])).toEqual([1.25]);
  });

  test.each([
    ['no such file', '/nowhere/at/all.csv', 'json', 'REPLAY_FILE'],
    ['no time column', ['value', '1'], 'json', 'REPLAY_FILE'],
    ['no column of the stream', ['timestamp,a,b', `${stamp(0)},1,2`], 'json', 'REPLAY_COLUMNS'],
    ['a raw stream', ['timestamp,value', `${stamp(0)},1`], 'raw', 'REPLAY_FORMAT'],
  ])('%s', async (_, content, id, code) => {
    const doors = await openDoors([...STREAMS, { id: 'raw', decode: 'raw' }]);
    const file = typeof content === 'string' ? content : csvFile(...content);
    const options = { file, stream: doors.stream(id), transport: doors.transport('coap'), clock };
    await expect(replay(options)).rejects.toMatchObject({ code });
  });

  test('an MQTT door that is not there', async () => {
    const doors = await openDoors();
    const { createMqttReplayTransport } = await import('../../adapters/mqtt-client/replay-transport.ts');
    const transport = createMqttReplayTransport({ url: 'mqtt://127.0.0.1:1' });
    const file = csvFile('timestamp,value', `${stamp(0)},1`);
    const replayed = replay({ file, stream: doors.stream('json'), transport, clock });
    await expect(replayed).rejects.toMatchObject({ code: 'REPLAY_CONNECT' });
  });

  test.each([{ rate: 0 }, { speed: -1 }, { rate: 1, speed: 1 }, { rowsPerMessage: 0 }, { device: 'a/b' }])(
    'wrong usage %j',
    async (wrong) => {
      const doors = await openDoors();
      const file = csvFile('timestamp,value', `${stamp(0)},1`);
      const options = {
        file,
        stream: doors.stream('json'),
        transport: doors.transport('coap'),
        clock,
        ...wrong,
      };
      await expect(replay(options)).rejects.toMatchObject({ code: 'USAGE' });
    },
  );
});
