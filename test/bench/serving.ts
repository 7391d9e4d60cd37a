/**
 * Inference over MQTT: clients that each wait for their answer before they ask again, one of them and 64, on the perceptron
 * 16-64-64-32-4; and over HTTP the same.
 *
 *     node test/bench/serving.ts [--seconds 5] [--clients 64] [--qos 0] [--ids 0]
 *
 * `--ids 1` gives each request an id, so that the ledger keeps it and its answer. Clients run in this process with raw
 * sockets. Prints one JSON object at the end.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate, parser } from 'mqtt-packet';
import { numbers } from '../fault/arguments.ts';
import { writeBundle } from '../inference/bundles.ts';
import { freePorts, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { mlpModel } from '../support/onnx.ts';
import { rounded } from './figure.ts';

const options = numbers({ seconds: 5, clients: 64, qos: 0, ids: 0 });
const SIZES = [16, 64, 64, 32, 4];

const folder = mkdtempSync(join(tmpdir(), 'aimx-serving-'));
writeBundle(join(folder, 'data/models'), {
  name: 'mlp',
  model: mlpModel(SIZES),
  manifest: {
    inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 16], from: 'request' }],
    outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, 4], as: 'scores' }],
    limits: { maxBatch: 128 },
  },
});
const ports = await freePorts();
writeConfig(folder, ports, { gateway: { name: 'bench', dataDir: './data' } });

let serial = 0;
const body = (): string => {
  const data = Array.from({ length: 16 }, (_, i) => ((serial + i) % 100) / 8);
  const id = options.ids ? `"id":"${serial}",` : '';
  serial++;
  return `{${id}"inputs":[{"name":"input","shape":[1,16],"datatype":"FP32","data":[${data}]}]}`;
};

interface Round {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
}

/** Runs askers that answer how long each of their requests took, for the time that is set. */
async function round(count: number, asker: (i: number) => Promise<() => Promise<boolean>>): Promise<Round> {
  const asks = await Promise.all(Array.from({ length: count }, (_, i) => asker(i)));
  const times: number[] = [];
  let errors = 0;
  const warm = performance.now() + 1000;
  const end = warm + options.seconds * 1000;
  await Promise.all(
    asks.map(async (ask) => {
      for (let begun = performance.now(); begun < end; begun = performance.now()) {
        if (!(await ask())) errors++;
        if (begun >= warm) times.push(performance.now() - begun);
      }
    }),
  );
  times.sort((a, b) => a - b);
  const at = (q: number): number => rounded(times[Math.floor(q * (times.length - 1))] ?? 0);
  return { perSecond: Math.round(times.length / options.seconds), p50: at(0.5), p99: at(0.99), errors };
}

const sockets: Socket[] = [];

/** A client of its own, with its own topic for answers. */
async function overMqtt(i: number): Promise<() => Promise<boolean>> {
  const clientId = `c${sockets.length}-${i}`;
  const socket = connect(ports.mqtt, '127.0.0.1').setNoDelay();
  sockets.push(socket);
  let wake: (ok: boolean) => void = () => {};
  const packets = parser();
  packets.on('packet', (packet) => {
    if (packet.cmd === 'publish') {
      if (packet.qos === 1) socket.write(generate({ cmd: 'puback', messageId: packet.messageId! }));
      wake(!packet.payload.toString().includes('"error":'));
    } else if (packet.cmd !== 'puback') wake(true);
  });
  socket.on('data', (chunk) => packets.parse(chunk));
  const send = (packet: Parameters<typeof generate>[0]): Promise<boolean> =>
    new Promise((resolve) => {
      wake = resolve;
      socket.write(generate(packet));
    });
  await send({
    cmd: 'connect',
    clientId,
    clean: true,
    protocolId: 'MQTT',
    protocolVersion: 4,
    keepalive: 60,
  });
  const subscriptions = [{ topic: `aimx/reply/${clientId}`, qos: 1 as const }];
  await send({ cmd: 'subscribe', messageId: 1, subscriptions });
  return () =>
    send({
      ...{ cmd: 'publish', topic: 'aimx/infer/mlp', payload: body(), dup: false, retain: false },
      ...(options.qos ? { qos: 1, messageId: 2 } : { qos: 0 }),
    });
}

const agent = new Agent({ keepAlive: true, maxSockets: options.clients });

async function overHttp(): Promise<() => Promise<boolean>> {
  return () =>
    new Promise((resolve, reject) => {
      const path = '/v2/models/mlp/infer';
      const asked = httpRequest({ agent, port: ports.http, method: 'POST', path }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode === 200));
      });
      asked.on('error', reject);
      asked.end(body());
    });
}

const gateway = await startGatewayProcess(folder, ports);
try {
  const load = rounded(loadavg()[0]!);
  const mqtt = { one: await round(1, overMqtt), many: await round(options.clients, overMqtt) };
  const http = { one: await round(1, overHttp), many: await round(options.clients, overHttp) };
  const ratio = (side: typeof mqtt): number => rounded(side.many.perSecond / side.one.perSecond);
  console.log(
    JSON.stringify(
      { ...options, load, mqtt, http, ratio: { mqtt: ratio(mqtt), http: ratio(http) } },
      null,
      1,
    ),
  );
} finally {
  for (const socket of sockets) socket.destroy();
  agent.destroy();
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
}
