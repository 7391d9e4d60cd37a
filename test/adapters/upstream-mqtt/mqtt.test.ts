import { connectAsync } from 'mqtt';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createMqttSink } from '../../../adapters/upstream-mqtt/index.ts';
import { compileTopic } from '../../../adapters/upstream-mqtt/topic.ts';
import { upstreamSection } from '../../../gateway/config/schema.ts';
import type { Sink } from '../../../gateway/ports/sink.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { deliverAll, sinkContract, unique, upstreamRecords } from '../../contracts/sink.ts';
import { recordingLog } from '../../support/log.ts';
import { mosquittoPath, startMosquitto } from '../../support/mosquitto.ts';
import { tcpGate } from '../../support/tcp-gate.ts';
import { until } from '../../support/until.ts';
import { recordingBroker } from './recording-broker.ts';

const signal = new AbortController().signal;

function open(port: number, mqtt: Record<string, unknown> = {}, clock = systemClock()): Sink {
  const upstream = upstreamSection.parse({ id: 'cloud', mqtt: { url: `mqtt://127.0.0.1:${port}`, ...mqtt } });
  // The least patient jitter keeps the tests short.
  return createMqttSink({ upstream, gateway: 'gw', clock, log: recordingLog(), random: () => 0.05 });
}

async function started(sink: Sink): Promise<Sink> {
  onTestFinished(() => sink.stop());
  await sink.start(signal);
  await until(() => sink.connected === true, 'the connection');
  return sink;
}

const mosquitto = mosquittoPath();

describe.skipIf(mosquitto === null)('the contract, with Mosquitto', () => {
  for (const protocol of ['3.1.1', '5']) {
    describe(protocol, () => {
      sinkContract(async () => {
        const broker = await startMosquitto(mosquitto!);
        const subscriber = await connectAsync(`mqtt://127.0.0.1:${broker.port}`);
        onTestFinished(() => subscriber.endAsync(true));
        const received: string[] = [];
        subscriber.on('message', (_topic, payload) =>
          received.push((JSON.parse(payload.toString()) as { id: string }).id),
        );
        await subscriber.subscribeAsync('up/#', { qos: 1 });
        const gate = await tcpGate(() => broker.port);
        onTestFinished(() => gate.close());
        let marker = 0;
        return {
          open: () => open(gate.port, { protocol }),
          // The broker passes messages on in order: when the marker has come, so has all before it.
          async received() {
            const id = `marker-${++marker}`;
            await subscriber.publishAsync('up/marker', JSON.stringify({ id }), { qos: 1 });
            await until(() => received.includes(id), 'the marker');
            return received.filter((one) => !one.startsWith('marker-'));
          },
          cut: gate.cut,
          restore: gate.mend,
        };
      });
    });
  }
});

test('topics name the gateway, the kind, its source and the device', async () => {
  const broker = await recordingBroker();
  const sink = await started(open(broker.port));
  await deliverAll(sink, upstreamRecords(1));
  expect(broker.received[0]!.topic).toBe('up/gw/reading/s/d0');
  const topic = compileTopic('a/{device}/{kind}', 'gw');
  expect(topic({ ...upstreamRecords(1)[0]!, device: 'x/+#\u0000y' })).toBe('a/x____y/reading');
  for (const bad of ['', 'a/{other}', 'a/#', '+/b', 'a{', 'a\u0000']) {
    expect(() => compileTopic(bad, 'gw'), bad).toThrow(expect.objectContaining({ code: 'UPSTREAM_SINK' }));
  }
});

test('the window bounds what is in flight, and so does what the broker takes', async () => {
  const narrow = await recordingBroker();
  await deliverAll(await started(open(narrow.port, { inFlight: 7 })), upstreamRecords(200));
  expect(narrow.mostOutstanding()).toBeLessThanOrEqual(7);
  const v5 = await recordingBroker({ protocolVersion: 5, properties: { receiveMaximum: 3 } });
  await deliverAll(await started(open(v5.port, { protocol: '5' })), upstreamRecords(100));
  expect(v5.mostOutstanding()).toBeLessThanOrEqual(3);
  expect(v5.ids()).toEqual(upstreamRecords(100).map(({ id }) => id));
});

test('a record that the broker refuses is named, one it takes too much to send is as well', async () => {
  const records = upstreamRecords(20);
  const broker = await recordingBroker({
    protocolVersion: 5,
    properties: { maximumPacketSize: 1000 },
    answer: (packet) => (packet.payload.toString().includes(records[4]!.id) ? 0x99 : 0),
  });
  const sink = await started(open(broker.port, { protocol: '5', inFlight: 3 }));
  expect(await sink.deliver(records, signal)).toMatchObject({ kind: 'refused', index: 4 });
  expect(broker.ids().slice(0, 4)).toEqual(records.slice(0, 4).map(({ id }) => id));
  const long = { ...records[6]!, body: JSON.stringify({ id: 'long', text: 'x'.repeat(2000) }) };
  expect(await sink.deliver([records[5]!, long, records[7]!], signal)).toMatchObject({
    kind: 'refused',
    index: 1,
  });
});

test('refusals for want of rights or quota leave the records waiting', async () => {
  const broker = await recordingBroker({ protocolVersion: 5, answer: () => 0x87 });
  const sink = await started(open(broker.port, { protocol: '5' }));
  expect(await sink.deliver(upstreamRecords(3), signal)).toMatchObject({ kind: 'unavailable' });
});

test('only what was acknowledged before the connection went counts', async () => {
  const records = upstreamRecords(10);
  const broker = await recordingBroker({
    answer: (packet) => (packet.payload.toString().includes(records[3]!.id) ? null : 0),
  });
  const sink = await started(open(broker.port));
  const pending = sink.deliver(records, signal);
  await until(() => broker.ids().length === 9, 'the others');
  broker.reset();
  const outcome = await pending;
  if (outcome.kind === 'partial') expect(outcome.count).toBeLessThanOrEqual(3);
  else expect(outcome.kind).toBe('unavailable');
});

test('a broker that stops acknowledging is given up, and readiness is told on the next connection', async () => {
  const silent = await recordingBroker({ answer: () => null });
  const real = systemClock();
  // Acknowledgement timeouts pass at once, everything else takes its time.
  const clock = {
    ...real,
    after: (ms: number, task: () => void) => real.after(ms === 30_000 ? 20 : ms, task),
  };
  const sink = await started(open(silent.port, {}, clock));
  let ready = 0;
  sink.onReady(() => ready++);
  expect(await sink.deliver(upstreamRecords(1), signal)).toEqual({
    kind: 'unavailable',
    reason: 'no acknowledgement in 30 s',
  });
  await until(() => ready > 0, 'the next connection');
});

test('QoS 0 sends a long batch without waiting, QoS 2 completes the handshake', async (task) => {
  const broker = await recordingBroker();
  const fast = await started(open(broker.port, { qos: 0, inFlight: 5000 }));
  await deliverAll(fast, upstreamRecords(20_000));
  await until(() => broker.received.length === 20_000, 'all of them', 20_000);
  if (mosquitto === null) return task.skip();
  const real = await startMosquitto(mosquitto);
  const exact = await started(open(real.port, { qos: 2 }));
  expect((await deliverAll(exact, upstreamRecords(300))).at(-1)).toEqual({ kind: 'delivered' });
});

test('a broker killed in the middle of a batch costs repeats at most', async (task) => {
  if (mosquitto === null) return task.skip();
  const broker = await startMosquitto(mosquitto);
  const sink = await started(open(broker.port, { inFlight: 50 }));
  const records = upstreamRecords(200);
  const pending = sink.deliver(records, signal);
  await broker.kill('SIGKILL');
  const outcome = await pending;
  expect(['partial', 'unavailable', 'delivered']).toContain(outcome.kind);
  await broker.start();
  const subscriber = await connectAsync(`mqtt://127.0.0.1:${broker.port}`);
  onTestFinished(() => subscriber.endAsync(true));
  const received: string[] = [];
  subscriber.on('message', (_topic, payload) =>
    received.push((JSON.parse(payload.toString()) as { id: string }).id),
  );
  await subscriber.subscribeAsync('up/#', { qos: 1 });
  const rest = records.slice(
    outcome.kind === 'delivered' ? 200 : outcome.kind === 'partial' ? outcome.count : 0,
  );
  await deliverAll(sink, rest);
  await until(() => unique(received).length === rest.length, 'the rest');
  expect(unique(received)).toEqual(rest.map(({ id }) => id));
});
