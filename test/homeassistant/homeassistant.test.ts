import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { z } from 'zod';
import { configSchema } from '../../gateway/config/schema.ts';
import { createGateway } from '../../gateway/gateway.ts';
import { slug } from '../../gateway/homeassistant/discovery.ts';
import { quantityOf } from '../../gateway/homeassistant/units.ts';
import { recordingLog } from '../support/log.ts';
import { mosquittoPath, startMosquitto } from '../support/mosquitto.ts';
import { MqttSocket } from '../support/mqtt-socket.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { documented } from './documented.ts';

type Input = z.input<typeof configSchema>;
type Document = z.output<typeof documented>;

const COMMANDS: NonNullable<Input['homeAssistant']>['commands'] = [
  { id: 'stop', name: 'Stop the press' },
  { id: 'heating', kind: 'switch' },
  { id: 'target', kind: 'number', min: 5, max: 30, unit: '°C' },
  { id: 'message', kind: 'text' },
];

async function start(dataDir: string, more: Partial<Input> = {}) {
  const config = configSchema.parse({
    gateway: { name: 'home-1', dataDir },
    listen: { mqtt: { port: 0 }, coap: { port: 0 }, http: { port: 0 } },
    auth: { anonymous: true },
    durability: 'normal',
    streams: [
      {
        id: 'climate',
        fields: {
          temperature: { unit: 'Cel' },
          humidity: { unit: '%RH', optional: true },
          open: { type: 'boolean', optional: true },
        },
      },
    ],
    pipelines: [
      {
        id: 'odd',
        from: 'climate',
        fields: ['temperature'],
        window: { count: 64, every: 1 },
        model: 'streaming-anomaly',
        publish: { when: 'score >= 0' },
      },
    ],
    homeAssistant: { enabled: true, every: '500ms', commands: COMMANDS },
    ...more,
  });
  const gateway = createGateway({ config, log: recordingLog() });
  await gateway.start(AbortSignal.timeout(30_000));
  return gateway;
}

/** What a client gets, and the newest payload of each topic. */
async function listen(address: string) {
  const client = await MqttSocket.connect(address);
  await client.subscribe('homeassistant/#', 1, 1);
  await client.subscribe('aimx/homeassistant/#', 1, 2);
  const newest = (topic: string) =>
    client
      .of('publish')
      .findLast((packet) => packet.topic === topic)
      ?.payload.toString();
  const document = (id: string): Document | undefined => {
    const text = newest(`homeassistant/device/${id}/config`);
    return text ? documented.parse(JSON.parse(text)) : undefined;
  };
  return { client, newest, document };
}

it('announces the gateway and its devices, tells values, hears a birth, and takes back what is gone', async () => {
  const folder = join(temporaryFolder(), 'data');
  let gateway = await start(folder);
  onTestFinished(() => gateway.stop());
  const { client, newest, document } = await listen(gateway.addresses[0]!);
  onTestFinished(() => client.end());
  for (let n = 1; n <= 64; n++)
    client.publish(
      'aimx/s/climate/living room',
      JSON.stringify({ temperature: 20 + n / 64, humidity: 40, open: true }),
      1,
      n,
    );
  const id = `aimx_home-1_${slug('living room')}`;
  await until(() => document(id)?.components.results_odd_notable !== undefined, 'the device', 20_000);

  const own = document('aimx_home-1')!;
  expect(own.device).toMatchObject({ identifiers: ['aimx_home-1'], name: 'home-1' });
  expect(own.components).toMatchObject({
    in: { platform: 'sensor', unit_of_measurement: 'readings/s', value_template: '{{ value_json["in"] }}' },
    problem: { platform: 'binary_sensor', device_class: 'problem' },
    update: { platform: 'update' },
    streams_climate: { platform: 'sensor', entity_category: 'diagnostic' },
    command_stop: { platform: 'button', command_topic: 'home/home-1/command/stop', name: 'Stop the press' },
    command_heating: { platform: 'switch', state_topic: 'home/home-1/command/heating/state' },
    command_target: { platform: 'number', min: 5, max: 30, unit_of_measurement: '°C' },
    command_message: { platform: 'text' },
  });
  expect(JSON.parse(newest('aimx/homeassistant/gateway')!)).toMatchObject({ problem: 'OFF', alarms: 0 });
  const device = document(id)!;
  expect(device.device).toMatchObject({ name: 'living room', via_device: 'aimx_home-1' });
  expect(device.components).toMatchObject({
    readings_climate_temperature: {
      device_class: 'temperature',
      unit_of_measurement: '°C',
      state_class: 'measurement',
      value_template: '{{ value_json["readings"]["climate"]["temperature"] }}',
    },
    readings_climate_humidity: { device_class: 'humidity', unit_of_measurement: '%' },
    readings_climate_open: { platform: 'binary_sensor' },
    results_odd_score: { platform: 'sensor' },
    results_odd_notable: { platform: 'binary_sensor', device_class: 'problem' },
  });
  const values = () => JSON.parse(newest(device.state_topic)!) as { readings: { climate: object } };
  await until(() => newest(device.state_topic) !== undefined, 'its values');
  expect(values()).toMatchObject({
    readings: { climate: { temperature: 21, humidity: 40, open: true } },
    results: { odd: { notable: true, score: expect.any(Number) } },
  });
  const unique = [own, device].flatMap(({ components }) =>
    Object.values(components).map((one) => ('unique_id' in one ? one.unique_id : '')),
  );
  expect(new Set(unique).size).toBe(unique.length);

  // Commands of Home Assistant go to whoever subscribes, which is a flow.
  const flow = await MqttSocket.connect(gateway.addresses[0]!);
  await flow.subscribe('home/home-1/command/+', 1);
  client.publish('home/home-1/command/heating', 'ON', 1, 90);
  await until(() => flow.of('publish').some(({ payload }) => payload.toString() === 'ON'), 'the command');
  flow.end();

  // After its own start Home Assistant asks for everything, and only then is anything told again.
  const topics = (from: number) =>
    client
      .of('publish')
      .slice(from)
      .map(({ topic }) => topic);
  const before = client.of('publish').length;
  client.publish('homeassistant/status', 'offline', 1, 91);
  client.publish('homeassistant/status', 'online', 1, 92);
  const wanted = ['homeassistant/device/aimx_home-1/config', `homeassistant/device/${id}/config`];
  await until(() => wanted.every((topic) => topics(before).includes(topic)), 'everything again', 20_000);

  // Without the pipeline its entities go, and the device stays.
  await gateway.stop();
  gateway = await start(folder, { pipelines: [] });
  const second = await listen(gateway.addresses[0]!);
  onTestFinished(() => second.client.end());
  await until(
    () =>
      second.document(id)?.components.results_odd_score === undefined && second.document(id) !== undefined,
    'a device without results',
    20_000,
  );
  expect(Object.keys(second.document(id)!.components)).toContain('readings_climate_temperature');

  // Without the stream the device goes; switched off, everything does.
  await gateway.stop();
  gateway = await start(folder, { pipelines: [], streams: [] });
  const third = await listen(gateway.addresses[0]!);
  onTestFinished(() => third.client.end());
  await until(() => third.document('aimx_home-1') !== undefined, 'the gateway', 20_000);
  expect(third.document(id)).toBeUndefined();
  await gateway.stop();
  gateway = await start(folder, { pipelines: [], streams: [], homeAssistant: { enabled: false } });
  const fourth = await listen(gateway.addresses[0]!);
  onTestFinished(() => fourth.client.end());
  await fourth.client.ping();
  expect(fourth.document('aimx_home-1')).toBeUndefined();
  expect(existsSync(join(folder, 'homeassistant.json'))).toBe(false);
}, 90_000);

const mosquitto = mosquittoPath();

it.skipIf(mosquitto === null)(
  'does the same over an external broker',
  async () => {
    const broker = await startMosquitto(mosquitto!);
    const url = `mqtt://127.0.0.1:${broker.port}`;
    const gateway = await start(join(temporaryFolder(), 'data'), {
      broker: { url, protocol: '3.1.1' },
      pipelines: [],
    });
    onTestFinished(() => gateway.stop());
    const { client, document } = await listen(url);
    onTestFinished(() => client.end());
    await until(() => document('aimx_home-1') !== undefined, 'the gateway', 20_000);
    const before = client.of('publish').length;
    client.publish('homeassistant/status', 'online', 1, 7);
    const again = () =>
      client
        .of('publish')
        .slice(before)
        .some(({ topic }) => topic === 'homeassistant/device/aimx_home-1/config');
    await until(again, 'the gateway again', 20_000);
  },
  60_000,
);

it('keeps names apart, and knows units', () => {
  expect([slug('press-1'), slug('a b').startsWith('a_b_'), slug('a b') === slug('a_b')]).toEqual([
    'press-1',
    true,
    false,
  ]);
  expect(slug('Küche')).toMatch(/^K_che_[0-9a-f]{6}$/);
  expect(quantityOf('Cel')).toEqual({ unit_of_measurement: '°C', device_class: 'temperature' });
  expect([quantityOf('mol'), quantityOf(undefined)]).toEqual([{ unit_of_measurement: 'mol' }, {}]);
});
