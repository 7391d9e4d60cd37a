import { connectAsync, type MqttClient } from 'mqtt';
import { CoapClient } from '../../../adapters/coap/client.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { createLog } from '../../../gateway/system/log.ts';
import type { GatewayPorts } from '../../support/gateway-process.ts';

export interface Latencies {
  readonly count: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Devices that publish steadily, and measure from sending to the acknowledgement. */
export interface WellBehaved {
  /** `<device>:<n>` of every reading that was acknowledged. */
  readonly acknowledged: Set<string>;
  /** Connections that the gateway closed on them. */
  readonly disconnected: number;
  /** Latencies since the last call. */
  take(): { readonly mqtt: Latencies; readonly coap: Latencies };
  stop(): Promise<void>;
}

const TICK_MS = 25;
/** A device with so many unacknowledged readings waits. */
const WINDOW = 50;

/** Five MQTT devices and one CoAP device, 40 readings a second each. */
export async function startWellBehaved(ports: GatewayPorts, stream: string): Promise<WellBehaved> {
  const acknowledged = new Set<string>();
  let mqttTimes: number[] = [];
  let coapTimes: number[] = [];
  let disconnected = 0;
  let stopped = false;
  const clients: MqttClient[] = [];
  for (let index = 0; index < 5; index++) {
    const client = await connectAsync(`mqtt://127.0.0.1:${ports.mqtt}`, {
      clientId: `good-${index}`,
      reconnectPeriod: 100,
    });
    client.on('error', () => undefined);
    client.on('close', () => {
      if (!stopped) disconnected++;
    });
    clients.push(client);
  }
  const log = createLog({ level: 'silent' });
  const coap = new CoapClient({ host: '127.0.0.1', port: ports.coap, clock: systemClock(), log });
  await coap.open();
  const pending = clients.map(() => 0);
  let n = 0;
  const timer = setInterval(() => {
    n++;
    for (const [index, client] of clients.entries()) {
      if (pending[index]! >= WINDOW) continue;
      pending[index]!++;
      const key = `good-${index}:${n}`;
      const begun = performance.now();
      client.publish(
        `aimx/s/${stream}/good-${index}`,
        JSON.stringify({ n, value: 1 }),
        { qos: 1 },
        (error) => {
          pending[index]!--;
          if (error) return;
          mqttTimes.push(performance.now() - begun);
          acknowledged.add(key);
        },
      );
    }
  }, TICK_MS);
  const overCoap = async (): Promise<void> => {
    for (let sent = 1; !stopped; sent++) {
      const begun = performance.now();
      const payload = Buffer.from(JSON.stringify({ n: sent, value: 1 }));
      const answer = await coap
        .request({ method: 'POST', path: ['s', stream, 'good-coap'], payload, contentFormat: 50 })
        .catch(() => null);
      if (answer?.code === 68) {
        coapTimes.push(performance.now() - begun);
        acknowledged.add(`good-coap:${sent}`);
      }
      await new Promise((done) => setTimeout(done, TICK_MS));
    }
  };
  const looping = overCoap();
  return {
    acknowledged,
    get disconnected() {
      return disconnected;
    },
    take() {
      const taken = { mqtt: latencies(mqttTimes), coap: latencies(coapTimes) };
      mqttTimes = [];
      coapTimes = [];
      return taken;
    },
    async stop() {
      if (stopped) return;
      clearInterval(timer);
      stopped = true;
      await coap.close();
      await looping;
      await Promise.all(clients.map((client) => client.endAsync(true)));
    },
  };
}

function latencies(times: number[]): Latencies {
  times.sort((a, b) => a - b);
  const at = (part: number): number =>
    Math.round((times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0) * 10) / 10;
  return { count: times.length, p50: at(0.5), p99: at(0.99) };
}
