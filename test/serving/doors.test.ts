import { decode, encode } from 'cbor2';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CoapClient } from '../../adapters/coap/client.ts';
import { codeName } from '../../adapters/coap/protocol.ts';
import type { ReceiptView, ResultView } from '../../gateway/http/views.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import {
  freePorts,
  type GatewayProcess,
  startGatewayProcess,
  writeConfig,
} from '../support/gateway-process.ts';
import { recordingLog } from '../support/log.ts';
import { keptFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';

/** The same request at every door of a real gateway, and what only one door has. */

interface Answer {
  readonly id: string;
  readonly model_name: string;
  readonly parameters: { readonly model_sha256: string };
  readonly outputs: readonly { readonly name: string; readonly data: unknown }[];
  readonly receipt: object;
  readonly error?: { readonly code: string };
}

const FIELDS = ['temperature', 'humidity', 'co2', 'light', 'motion'];
const ROWS = Array.from({ length: 8 }, (_, i) => [20 + i / 8, 40 - i / 4, 600 + i * 50, 300, i % 2]);
const request = (id: string | undefined, more: object = {}): string =>
  JSON.stringify({
    ...(id === undefined ? {} : { id }),
    inputs: [{ name: 'input', shape: [1, 8, 5], datatype: 'FP32', data: ROWS }],
    ...more,
  });

const { folder, remove } = keptFolder();
let gateway: GatewayProcess;
let mqtt: MqttClient;
let coap: CoapClient;
const replies: { topic: string; payload: Buffer }[] = [];

beforeAll(async () => {
  const ports = await freePorts();
  writeConfig(folder, ports, {
    gateway: { name: 'doors', dataDir: './data' },
    streams: [{ id: 'rooms', fields: Object.fromEntries(FIELDS.map((field) => [field, {}])) }],
    pipelines: [
      {
        id: 'comfort',
        from: 'rooms',
        fields: FIELDS,
        window: { count: 8, every: 8 },
        model: 'room-comfort@1',
      },
    ],
    serving: { maxBodyBytes: '64KiB' },
  });
  gateway = await startGatewayProcess(folder, ports);
  mqtt = await connectAsync(`mqtt://127.0.0.1:${ports.mqtt}`, { clientId: 'press' });
  mqtt.on('message', (topic, payload) => replies.push({ topic, payload }));
  await mqtt.subscribeAsync(['aimx/reply/press', 'own/answers', 'aimx/result/#'], { qos: 1 });
  coap = new CoapClient({ host: '127.0.0.1', port: ports.coap, clock: systemClock(), log: recordingLog() });
  await coap.open();
});
afterAll(async () => {
  await mqtt.endAsync(true);
  await coap.close();
  await gateway.stop();
  remove();
});

const http = (path: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${gateway.ports.http}/v2/models/${path}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : new Uint8Array(body),
    headers,
  });

const replyTo = async (id: string | null, topic = 'aimx/reply/press'): Promise<Answer> => {
  const find = (): Answer | undefined =>
    replies
      .filter((reply) => reply.topic === topic)
      .map(({ payload }) => JSON.parse(payload.toString()) as Answer)
      .find((answer) => answer.id === id);
  await until(() => find() !== undefined, `the answer to ${id}`, 20_000);
  return find()!;
};

const shown = ({ outputs, parameters }: Answer): object => ({
  sha256: parameters.model_sha256,
  outputs: Object.fromEntries(outputs.map(({ name, data }) => [name, data])),
});

test('four doors give the same outputs of the same model file, each with its receipt', async () => {
  const overHttp = (await (await http('room-comfort/infer', request('h'))).json()) as Answer;
  await mqtt.publishAsync('aimx/infer/room-comfort/1', request('m'), { qos: 1 });
  const overMqtt = await replyTo('m');
  const byJson = await coap.request({
    ...{ method: 'POST', path: '/infer/room-comfort', contentFormat: 50 },
    payload: Buffer.from(request('c')),
  });
  const body = JSON.parse(request('b')) as object;
  const byCbor = await coap.request({
    ...{ method: 'POST', path: '/infer/room-comfort/1', contentFormat: 60 },
    payload: Buffer.from(encode(body)),
  });
  for (const [i, row] of ROWS.entries()) {
    const reading = Object.fromEntries(FIELDS.map((field, column) => [field, row[column]]));
    await mqtt.publishAsync('aimx/s/rooms/r1', JSON.stringify(reading), { qos: i === 7 ? 1 : 0 });
  }
  const topic = 'aimx/result/comfort/r1';
  await until(() => replies.some((reply) => reply.topic === topic), 'the result of the pipeline', 20_000);
  const result = JSON.parse(replies.find((reply) => reply.topic === topic)!.payload.toString()) as ResultView;

  expect(overHttp).toMatchObject({ id: 'h', receipt: { id: 'h', account: 'consumer/anonymous' } });
  expect([byJson, byCbor].map(({ code }) => codeName(code))).toEqual(['2.04', '2.04']);
  const answers = [
    overMqtt,
    JSON.parse(byJson.payload.toString()) as Answer,
    decode(byCbor.payload) as Answer,
  ];
  for (const answer of answers) expect(shown(answer)).toEqual(shown(overHttp));
  const { outputs, sha256 } = shown(overHttp) as { outputs: Record<string, number[]>; sha256: string };
  expect({ sha256: result.model.sha256, outputs: result.outputs }).toEqual({
    sha256,
    // One window is one row: a pipeline shows it without the batch.
    outputs: { ...outputs, occupancy: outputs.occupancy![0], comfort: outputs.comfort![0] },
  });
  const receipts = await gateway.api<ReceiptView[]>('/api/v1/receipts?account=consumer%2Fanonymous');
  expect(receipts.map(({ requestId }) => requestId).sort()).toEqual(['b', 'c', 'h', 'm']);
  // One ledger for all doors.
  await mqtt.publishAsync('aimx/infer/room-comfort', request('h'), { qos: 1 });
  expect(await replyTo('h')).toEqual(overHttp);
  const taken = await coap.request({
    ...{ method: 'POST', path: '/infer/room-comfort', contentFormat: 50 },
    payload: Buffer.from(request('h', { outputs: [{ name: 'comfort' }] })),
  });
  expect(codeName(taken.code)).toBe('4.09');
});

test('over MQTT every request gets an answer, also one that cannot be read, where its sender may read it', async () => {
  await mqtt.publishAsync('aimx/infer/room-comfort', '{', { qos: 1 });
  expect((await replyTo(null)).error!.code).toBe('REQUEST_INVALID');
  await mqtt.publishAsync('aimx/infer/none', request('x1'), { qos: 0 });
  expect((await replyTo('x1')).error!.code).toBe('MODEL_MISSING');
  await mqtt.publishAsync('aimx/infer/room-comfort/7', request('x2'), { qos: 2 });
  expect((await replyTo('x2')).error!.code).toBe('MODEL_MISSING');
  await mqtt.publishAsync(
    'aimx/infer/room-comfort',
    request('x3', { parameters: { reply_to: 'own/answers' } }),
    { qos: 1 },
  );
  expect((await replyTo('x3', 'own/answers')).model_name).toBe('room-comfort');
  for (const [i, topic] of ['aimx/status', 'aimx/result/comfort/r1', '$SYS/x', 'own/#'].entries()) {
    await mqtt.publishAsync(
      'aimx/infer/room-comfort',
      request(`f${i}`, { parameters: { reply_to: topic } }),
      { qos: 1 },
    );
    expect((await replyTo(`f${i}`)).error!.code).toBe('REPLY_FORBIDDEN');
  }
  await mqtt.publishAsync('aimx/infer/room-comfort', request('late', { parameters: { deadline_ms: 0 } }), {
    qos: 1,
  });
  expect((await replyTo('late')).error!.code).toBe('DEADLINE');
});

test('over HTTP: binary tensors both ways, compressed bodies, errors in the shape of the protocol', async () => {
  const values = Buffer.from(new Float32Array(ROWS.flat()).buffer);
  const json = Buffer.from(
    JSON.stringify({
      inputs: [
        {
          name: 'input',
          shape: [1, 8, 5],
          datatype: 'FP32',
          parameters: { binary_data_size: values.length },
        },
      ],
      outputs: [{ name: 'occupancy', parameters: { binary_data: true } }],
    }),
  );
  const answer = await http('room-comfort/infer', Buffer.concat([json, values]), {
    'inference-header-content-length': String(json.length),
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const header = Number(answer.headers.get('inference-header-content-length'));
  const plain = (await (await http('room-comfort/infer', request(undefined))).json()) as Answer;
  const [occupancy] = plain.outputs.find(({ name }) => name === 'occupancy')!.data as number[];
  expect(bytes.readFloatLE(header)).toBe(Math.fround(occupancy!));

  const bad = async (path: string, body: string | Buffer, headers: Record<string, string> = {}) => {
    const response = await http(path, body, headers);
    const { error, code } = (await response.json()) as { error: unknown; code: string };
    return `${response.status} ${code} ${typeof error}`;
  };
  expect(await bad('none/infer', request(undefined))).toBe('404 MODEL_MISSING string');
  expect(await bad('room-comfort/infer', '{}')).toBe('400 REQUEST_INVALID string');
  expect(await bad('room-comfort/infer', request(undefined, { inputs: [] }))).toBe('400 MODEL_SHAPE string');
  expect(await bad('room-comfort/infer', Buffer.alloc(70_000))).toBe('413 REQUEST_TOO_LARGE string');
  const { gzipSync } = await import('node:zlib');
  const gzip = { 'content-encoding': 'gzip' };
  expect((await http('room-comfort/infer', gzipSync(request(undefined)), gzip)).status).toBe(200);
  expect(await bad('room-comfort/infer', gzipSync(Buffer.alloc(10_000_000)), gzip)).toBe(
    '413 REQUEST_TOO_LARGE string',
  );
  expect(await bad('room-comfort/infer', 'no gzip', gzip)).toBe('400 HTTP_REQUEST string');
  expect(await bad('room-comfort/infer', request(undefined), { origin: 'http://elsewhere.example' })).toBe(
    '403 FORBIDDEN string',
  );
});

test('over CoAP: codes for errors, with what was wrong', async () => {
  const ask = async (path: string, payload: string, contentFormat = 50, method: 'POST' | 'GET' = 'POST') => {
    const response = await coap.request({ method, path, contentFormat, payload: Buffer.from(payload) });
    return `${codeName(response.code)} ${response.payload.toString().split(':')[0]}`;
  };
  expect(await ask('/infer/none', request(undefined))).toBe('4.04 MODEL_MISSING');
  expect(await ask('/infer/room-comfort', '{')).toBe('4.00 REQUEST_INVALID');
  expect(await ask('/infer/room-comfort', request(undefined, { parameters: { deadline_ms: 0 } }))).toBe(
    '5.04 DEADLINE',
  );
  expect(await ask('/infer/room-comfort', '<xml/>', 41)).toMatch(/^4\.15 /);
  expect(await ask('/infer/room-comfort', '', 50, 'GET')).toMatch(/^4\.05 /);
});
