import { connectAsync, type MqttClient } from 'mqtt';
import { expect, it, onTestFinished } from 'vitest';
import { configSchema } from '../../gateway/config/schema.ts';
import { createGateway } from '../../gateway/gateway.ts';
import type { Clock } from '../../gateway/ports/clock.ts';
import { plausible } from '../../gateway/system/clock.ts';
import { recordingLog } from '../support/log.ts';
import { startReceiver } from '../support/receiver.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';

const NOW = Date.UTC(2026, 5, 1);
const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
const LOT = 80;
const WINDOW = 64;

/** The machine's timers with a wall clock that the test sets; it runs on from there. */
function wrongClock() {
  let setAt = performance.now();
  let wall = 5_000;
  let known = 0;
  const now = (): number => Math.floor(wall + performance.now() - setAt);
  const clock: Clock = {
    now,
    monotonic: () => performance.now(),
    synced: () => plausible(now(), known),
    after(ms, task) {
      const timer = setTimeout(task, ms);
      return () => clearTimeout(timer);
    },
  };
  return {
    clock,
    set(value: number) {
      if (clock.synced()) known = now();
      wall = value;
      setAt = performance.now();
    },
  };
}

it('with a clock at 1970, set, an hour back and ten years ahead: order kept, flagged, no receipt on a guess', async () => {
  const dataDir = temporaryFolder();
  const receiver = await startReceiver();
  onTestFinished(() => receiver.close());
  const { clock, set } = wrongClock();
  const config = configSchema.parse({
    gateway: { name: 'clock', dataDir },
    listen: { mqtt: { port: 0 }, coap: { port: 0 }, http: { port: 0 } },
    auth: { anonymous: true },
    streams: [{ id: 'machine', fields: { n: {}, value: {} } }],
    pipelines: [
      {
        id: 'score',
        from: 'machine',
        fields: ['value'],
        window: { count: WINDOW, every: 1 },
        model: 'streaming-anomaly@1',
      },
    ],
    upstream: [{ id: 'receiver', http: { url: receiver.url }, send: ['readings', 'results'] }],
    billing: {},
  });
  const gateway = createGateway({ config, log: recordingLog(), clock });
  await gateway.start(new AbortController().signal);
  onTestFinished(() => gateway.stop());
  const client = await connectAsync(gateway.addresses.find((address) => address.startsWith('mqtt:'))!);
  onTestFinished(() => client.endAsync(true));

  const readings = () => receiver.records.filter(({ kind }) => kind === 'reading');
  const results = () => receiver.records.filter(({ kind }) => kind === 'result');
  const receipts = () => gateway.views.status().billing!.receipts;
  let sent = 0;
  const uses = (): number => sent - WINDOW + 1;
  const lot = async (): Promise<void> => {
    sent = await publish(client, sent);
    await until(() => readings().length === sent && results().length === uses(), `all ${sent} upstream`);
  };

  await lot();
  expect(receipts()).toBe(0);
  set(NOW);
  await lot();
  await until(
    () => receipts() === uses(),
    'a receipt for each use, also for those before the time was known',
  );
  set(NOW - HOUR / 2);
  await lot();
  await until(() => receipts() === uses(), 'receipts while the clock is half an hour back');
  set(NOW + 10 * YEAR);
  const before = receipts();
  await lot();
  expect(receipts()).toBe(before);
  set(NOW + HOUR);
  await lot();
  await until(() => receipts() === uses(), 'receipts for all uses');

  const bodies = readings().map(({ body }) => body as { values: { n: number }; time_unsynced?: true });
  expect(bodies.map(({ values }) => values.n)).toEqual(Array.from({ length: sent }, (_, n) => n));
  const flagged = bodies.map(({ time_unsynced }) => time_unsynced === true);
  const lots = [true, false, false, true, false];
  expect(flagged).toEqual(lots.flatMap((unsynced) => new Array<boolean>(LOT).fill(unsynced)));
  expect((await gateway.views.audit()).every(({ holds }) => holds)).toBe(true);
}, 60_000);

/** One connection: they arrive in this order. */
async function publish(client: MqttClient, from: number): Promise<number> {
  const lot = Array.from({ length: LOT }, (_, index) => {
    const n = from + index;
    return client.publishAsync('aimx/s/machine/press', JSON.stringify({ n, value: n / 8 }), { qos: 1 });
  });
  await Promise.all(lot);
  return from + LOT;
}
