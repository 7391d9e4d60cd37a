import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { rejectedStream } from '../../gateway/config/names.ts';
import { configSchema } from '../../gateway/config/schema.ts';
import { createIntake, listRejected, openReadingStreams } from '../../gateway/ingest/index.ts';
import type { Disposition, Inbound } from '../../gateway/ports/source.ts';
import { readAll, startedStore } from '../store/support.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';

const CONFIG = {
  limits: { maxPacketBytes: '100KiB', maxDevices: 3 },
  streams: [
    {
      id: 'temperature',
      from: { mqtt: 'plant/{device}/t', coap: '/plant/{device}/t' },
      fields: { value: { path: '$.t', max: 100 } },
    },
    { id: 'any', from: { mqtt: ['lab/+/#', 'single'] } },
    { id: 'bag', decode: 'senml+json', from: { mqtt: 'senml' } },
  ],
};

async function gateway(folder = temporaryFolder(), settings: Record<string, unknown> = {}) {
  const config = configSchema.parse({ ...CONFIG, ...settings });
  const clock = manualClock();
  const { store } = await startedStore(folder, { clock });
  onTestFinished(() => store.stop());
  const streams = openReadingStreams(config, store);
  const intake = createIntake({ config, store, streams, clock, log: recordingLog() });
  const send = (
    message: Partial<Inbound> & { address: string },
    payload: string | Uint8Array,
  ): Promise<Disposition> =>
    new Promise((resolve) => {
      const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
      intake.offer({ door: 'mqtt', payload: bytes, ...message }, resolve);
      // A door reuses its buffer as soon as `offer` has returned.
      bytes.fill(0);
    });
  return { store, streams, intake, send, clock };
}

describe('offer', () => {
  test('stores what it decodes, under the device of the address', async () => {
    const { send, streams, intake, clock } = await gateway();
    expect(await send({ address: 'plant/press-1/t' }, '{"t":21.5}')).toEqual({ kind: 'stored', readings: 1 });
    expect(await send({ address: 'aimx/s/temperature/press-2' }, '[{"t":1},{"t":2}]')).toEqual({
      kind: 'stored',
      readings: 2,
    });
    expect(await send({ door: 'coap', address: 's/temperature/press-1' }, '{"t":3}')).toMatchObject({
      kind: 'stored',
    });
    expect(
      await send({ door: 'coap', address: 'plant/press-1/t', contentFormat: 110 }, '[{"n":"t","v":4}]'),
    ).toMatchObject({
      kind: 'stored',
    });
    const records = await readAll(streams.get('temperature')!);
    expect(records.map((r) => [r.device, r.deviceSeq, r.value.values[0]])).toEqual([
      ['press-1', 1, 21.5],
      ['press-2', 1, 1],
      ['press-2', 2, 2],
      ['press-1', 2, 3],
      ['press-1', 3, 4],
    ]);
    expect(records[0]).toMatchObject({
      time: clock.now(),
      arrival: clock.now(),
      flags: 0,
      value: { fields: ['value'] },
    });
    expect(intake.stats().streams.temperature).toEqual({ messages: 4, accepted: 5, rejected: 0, refused: 0 });
  });

  test('tells which addresses it takes, by door', async () => {
    const { intake, send } = await gateway();
    expect(intake.routes('mqtt', 'plant/x/t')).toBe(true);
    expect(intake.routes('mqtt', 's/temperature/x')).toBe(false);
    expect(intake.routes('coap', 's/temperature/x')).toBe(true);
    expect(intake.routes('coap', 'aimx/s/temperature/x')).toBe(false);
    expect(await send({ address: 'nowhere' }, '1')).toEqual({ kind: 'unrouted' });
    expect(intake.stats().unrouted).toBe(1);
  });

  test('names devices by wildcards, the payload or the stream where no {device} does', async () => {
    const { send, streams } = await gateway();
    await send({ address: 'lab/a/b' }, '1');
    await send({ address: 'single' }, '2');
    expect((await readAll(streams.get('any')!)).map((r) => r.device)).toEqual(['a.b', 'any']);
    await send({ address: 'senml' }, '[{"bn":"urn:dev:7:","n":"t","v":1}]');
    expect((await readAll(streams.get('bag')!)).map((r) => r.device)).toEqual(['urn:dev:7']);
  });

  test('two streams on one address are a mistake of the configuration', async () => {
    const clash = {
      streams: [
        { id: 'a', from: { mqtt: 'x/{device}' } },
        { id: 'b', from: { mqtt: 'x/+' } },
      ],
    };
    await expect(gateway(temporaryFolder(), clash)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

describe('what cannot be decoded', () => {
  test('is kept with its reason, counted, and still there after a restart', async () => {
    const folder = temporaryFolder();
    const { send, store, intake, clock } = await gateway(folder);
    const bad = Uint8Array.of(0x7b, 0xff, 0x00);
    expect(await send({ address: 'plant/p/t' }, '{"t":1}')).toMatchObject({ kind: 'stored' });
    expect(await send({ address: 'plant/p/t', contentFormat: 50 }, bad.slice())).toMatchObject({
      kind: 'rejected',
      error: { code: 'DECODE_SYNTAX' },
    });
    expect(await send({ address: 'plant/p/t' }, '{"t":101}')).toMatchObject({
      error: { code: 'DECODE_RANGE' },
    });
    expect(await send({ address: 'plant/p/t', contentFormat: 99 }, '1')).toMatchObject({
      error: { code: 'DECODE_FORMAT' },
    });
    expect(await send({ address: `plant/${'d'.repeat(200)}/t` }, '{"t":1}')).toMatchObject({
      error: { code: 'DECODE_DEVICE' },
    });
    expect(await send({ address: 'plant/p/t' }, `"${'x'.repeat(200 * 1024)}"`)).toMatchObject({
      error: { code: 'DECODE_LIMIT' },
    });
    expect(intake.stats().streams.temperature).toMatchObject({ accepted: 1, rejected: 5 });
    await store.stop();

    const again = await gateway(folder);
    const rejected = again.store.stream<string>(rejectedStream('temperature'), undefined as never);
    const [last, , , , first] = await listRejected(rejected, 10);
    expect(first!.document).toEqual({
      code: 'DECODE_SYNTAX',
      message: 'the payload is not UTF-8',
      expected: 'UTF-8 text',
      fix: expect.any(String),
      door: 'mqtt',
      address: 'plant/p/t',
      contentFormat: 50,
      time: clock.now(),
      bytes: 3,
      payload: Buffer.from(bad).toString('base64'),
      truncated: false,
    });
    expect(last!.document).toMatchObject({ bytes: 200 * 1024 + 2, truncated: true });
    expect(Buffer.from(last!.document.payload, 'base64')).toHaveLength(64 * 1024);
    expect(await listRejected(rejected, 2)).toHaveLength(2);
    const audit = await again.store.audit();
    expect(audit.find((row) => row.stream === 'temperature')).toMatchObject({
      accepted: 6,
      rejected: 5,
      holds: true,
    });
  });

  test('a device too many is rejected, not retried for ever', async () => {
    const { send } = await gateway();
    for (const device of ['a', 'b', 'c'])
      expect(await send({ address: `plant/${device}/t` }, '{"t":1}')).toMatchObject({ kind: 'stored' });
    expect(await send({ address: 'plant/d/t' }, '{"t":1}')).toMatchObject({
      kind: 'rejected',
      error: { code: 'STORE_DEVICES' },
    });
    expect(await send({ address: 'plant/a/t' }, '{"t":1}')).toMatchObject({ kind: 'stored' });
  });

  test('a store that is gone refuses, so that nothing is acknowledged', async () => {
    const { send, store, intake } = await gateway();
    await store.stop();
    expect(await send({ address: 'plant/a/t' }, '{"t":1}')).toMatchObject({ kind: 'refused' });
    expect(await send({ address: 'plant/a/t' }, 'nonsense')).toMatchObject({ kind: 'refused' });
    expect(intake.stats().streams.temperature).toMatchObject({ refused: 2 });
  });
});

test('any payload on any address has exactly one answer, and the audit holds', async () => {
  const { intake, store } = await gateway();
  const message = fc.record({
    door: fc.constantFrom('mqtt', 'coap', 'http'),
    address: fc.oneof(
      fc.constantFrom('plant/a/t', 'lab/x/y', 'senml', 's/any/q', 'aimx/s/bag/z'),
      fc.string({ unit: 'binary' }),
    ),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.json().map((text) => Buffer.from(text)),
    ),
    contentFormat: fc.option(fc.constantFrom(0, 42, 50, 60, 110, 112, 7), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 20 }), async (messages) => {
      const answers = await Promise.all(
        messages.map(
          ({ contentFormat, ...rest }) =>
            new Promise<Disposition>((resolve, reject) => {
              let answered = false;
              intake.offer(
                { ...rest, ...(contentFormat === undefined ? {} : { contentFormat }) },
                (disposition) => {
                  if (answered) reject(new Error('answered twice'));
                  answered = true;
                  resolve(disposition);
                },
              );
            }),
        ),
      );
      for (const answer of answers) expect(['stored', 'rejected', 'unrouted']).toContain(answer.kind);
    }),
    { seed: 20260607, numRuns: 150 },
  );
  expect((await store.audit()).every((row) => row.holds)).toBe(true);
});
