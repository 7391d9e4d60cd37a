import { createServer } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createHttpSink } from '../../adapters/upstream-http/index.ts';
import { createMqttSink } from '../../adapters/upstream-mqtt/index.ts';
import { upstreamSection } from '../../gateway/config/schema.ts';
import type { Sink } from '../../gateway/ports/sink.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingBroker } from '../adapters/upstream-mqtt/recording-broker.ts';
import { recordingLog } from '../support/log.ts';
import { type TcpGate, tcpGate } from '../support/tcp-gate.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { append, auditHolds, outbox, reading, start } from './support.ts';

const FLAPS = 100;
const DEVICES = 7;
/** Readings between two flaps. */
const PER_FLAP = 40;

/** A receiver with a unique index on the id: first arrivals in order. */
class Receiver {
  readonly ids: string[] = [];
  readonly #index = new Set<string>();
  repeats = 0;

  take(id: string): void {
    if (this.#index.has(id)) {
      this.repeats++;
      return;
    }
    this.#index.add(id);
    this.ids.push(id);
  }
}

async function httpReceiver(receiver: Receiver): Promise<{ gate: TcpGate; sink: Sink }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => response.destroy());
    request.on('end', () => {
      for (const line of Buffer.concat(chunks).toString().split('\n').slice(0, -1)) {
        receiver.take((JSON.parse(line) as { id: string }).id);
      }
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const gate = await tcpGate(() => (server.address() as { port: number }).port);
  onTestFinished(async () => {
    await gate.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const upstream = upstreamSection.parse({
    id: 'cloud',
    http: { url: `http://127.0.0.1:${gate.port}/`, batch: 20 },
  });
  return { gate, sink: createHttpSink({ upstream, gateway: 'gw', clock: systemClock() }) };
}

async function mqttReceiver(receiver: Receiver): Promise<{ gate: TcpGate; sink: Sink }> {
  const broker = await recordingBroker({
    answer: (packet) => {
      receiver.take((JSON.parse(packet.payload.toString()) as { id: string }).id);
      return 0;
    },
  });
  const gate = await tcpGate(() => broker.port);
  onTestFinished(() => gate.close());
  const upstream = upstreamSection.parse({
    id: 'cloud',
    mqtt: { url: `mqtt://127.0.0.1:${gate.port}`, inFlight: 20 },
  });
  const parts = { upstream, gateway: 'gw', clock: systemClock(), log: recordingLog(), random: () => 0.02 };
  return { gate, sink: createMqttSink(parts) };
}

describe.each([
  ['HTTP', httpReceiver],
  ['MQTT', mqttReceiver],
] as const)('%s', (_name, receiverOf) => {
  test(`${FLAPS} link flaps and restarts under load: each record once by id, in order per device`, async () => {
    const receiver = new Receiver();
    const { gate, sink } = await receiverOf(receiver);
    const folder = temporaryFolder();
    let side = await outbox({ folder, sink });
    await start(side.forwarders);
    let next = 0;
    for (let flap = 0; flap < FLAPS; flap++) {
      const some = Array.from({ length: PER_FLAP }, () => reading(`d${next % DEVICES}`, next, next++));
      await append(side.readings, some);
      // Some cuts meet a batch on its way, some an idle link, some come before anything was sent.
      const goal = receiver.ids.length + (flap % 3) * 10;
      if (flap % 4 > 0) await until(() => receiver.ids.length >= Math.min(goal, next), 'some records');
      await gate.cut();
      if (flap % 20 === 19) {
        await side.close();
        side = await outbox({ folder, sink });
        await start(side.forwarders);
      }
      await gate.mend();
    }
    const total = FLAPS * PER_FLAP;
    await until(() => receiver.ids.length === total, 'all records', 20_000);
    const expected = Array.from(
      { length: total },
      (_, v) => `gw/s/d${v % DEVICES}/${v}-${Math.floor(v / DEVICES) + 1}`,
    );
    // One stream keeps even the order between its devices.
    expect(receiver.ids).toEqual(expected);
    await until(() => side.store.cursors().some(({ seq }) => seq === total), 'the cursor');
    expect(await auditHolds(side.store)).toBe(true);
    expect(side.forwarders.stats()[0]).toMatchObject({ pending: { records: 0 }, refused: 0, expired: 0 });
  });
});
