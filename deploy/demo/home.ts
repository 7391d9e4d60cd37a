/**
 * A small home: two rooms that send SenML over CoAP (confirmable), where a second counts for a minute, and a meter that
 * sends its power as text over MQTT. People come and go.
 *
 *     node deploy/demo/home.ts --coap 127.0.0.1:5683 --mqtt mqtt://127.0.0.1:1883
 */
import { request } from 'coap';
import mqtt from 'mqtt';
import { minute, type RoomState } from '../../models/room-comfort/generate.ts';
import { type Random, seededRandom } from '../../models/training/random.ts';
import { every, liveWithParent, option, report } from './device.ts';

const ROOM_MS = 1000;
const METER_MS = 500;
const ANSWER_MS = 20_000;

interface Sensor {
  readonly name: string;
  readonly state: RoomState;
  /** Seconds of being away and of being in, in turn. */
  readonly away: number;
  readonly present: number;
  readonly people: number;
}

const SENSORS: readonly Sensor[] = [
  {
    name: 'living-room',
    state: room({ volume: 60, setTemperature: 21.5, humidity: 45, daylight: 60 }),
    away: 20,
    present: 40,
    people: 3,
  },
  {
    name: 'bedroom',
    state: room({ volume: 30, setTemperature: 18, humidity: 55, daylight: 5 }),
    away: 45,
    present: 60,
    people: 2,
  },
];

function room(known: Pick<RoomState, 'volume' | 'setTemperature' | 'humidity' | 'daylight'>): RoomState {
  return {
    ...known,
    airChanges: 0.6 / 60,
    lamps: 250,
    restless: 0.35,
    co2: 520,
    temperature: known.setTemperature,
  };
}

/** POSTs one SenML pack and resolves when the gateway has answered 2.04. */
function post(host: string, port: number, path: string, pack: object[]): Promise<void> {
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`${path}: no answer in ${ANSWER_MS} ms`)), ANSWER_MS);
    const message = request({ hostname: host, port, pathname: path, method: 'POST', confirmable: true });
    message.setOption('Content-Format', 'application/senml+json');
    message.on('response', (response) => {
      clearTimeout(timer);
      if (response.code === '2.04') done();
      else fail(new Error(`${path}: ${response.code} ${response.payload.toString()}`));
    });
    message.on('error', (error: Error) => {
      clearTimeout(timer);
      fail(error);
    });
    message.end(Buffer.from(JSON.stringify(pack)));
  });
}

function runRoom(sensor: Sensor, host: string, port: number, random: Random): void {
  const started = performance.now();
  let occupied = false;
  every(ROOM_MS, async () => {
    const second = ((performance.now() - started) / 1000) % (sensor.away + sensor.present);
    const now = second >= sensor.away;
    if (now !== occupied)
      report(`${sensor.name}: ${now ? `${sensor.people} people come in` : 'everybody has left'}`);
    occupied = now;
    const readings = minute(random, sensor.state, now ? sensor.people : 0, now);
    const [temperature, humidity, co2, light, motion] = readings.map((x) => Math.round(x * 100) / 100);
    await post(host, port, `/home/${sensor.name}/climate`, [
      { bt: Date.now() / 1000, n: 'temperature', u: 'Cel', v: temperature },
      { n: 'humidity', u: '%RH', v: humidity },
      { n: 'co2', u: 'ppm', v: co2 },
      { n: 'light', u: 'lx', v: light },
      { n: 'motion', v: motion },
    ]);
  });
}

function runMeter(url: string, random: Random): void {
  const client = mqtt.connect(url, { clientId: 'meter', reconnectPeriod: 1000, protocolVersion: 4 });
  client.on('error', (error) => report(`meter: ${error.message}`));
  const started = performance.now();
  every(METER_MS, async () => {
    const second = (performance.now() - started) / 1000;
    const fridge = second % 30 < 12 ? 110 : 0;
    const kettle = second % 90 > 80 ? 2050 : 0;
    const watts = 140 + fridge + kettle + 6 * random.normal();
    await client.publishAsync('home/meter/power', watts.toFixed(1), { qos: 1 });
  });
}

liveWithParent();
const [host, port] = option('coap').split(':');
SENSORS.forEach((sensor, index) => {
  runRoom(sensor, host!, Number(port), seededRandom(31 + index));
});
runMeter(option('mqtt'), seededRandom(41));
