/**
 * A plant with three machines, each an MQTT client of its own: temperature (JSON, five times a second) and vibration
 * (512 samples of three axes as little-endian float32, every two seconds), both with QoS 1. Faults come and go.
 *
 *     node deploy/demo/plant.ts --mqtt mqtt://127.0.0.1:1883
 */
import mqtt from 'mqtt';
import { seededRandom } from '../../models/training/random.ts';
import { type Condition, vibration } from '../../models/vibration-condition/generate.ts';
import { every, liveWithParent, option, report } from './device.ts';

const TEMPERATURE_MS = 200;
const VIBRATION_MS = 2000;
/** Seconds of a cycle, and of the fault within it. */
const CYCLE_S = 60;
const FAULT_S = 12;
/** Until then faults leave the temperature alone, so that the anomaly detector can learn each machine. */
const LEARNING_S = 75;

interface Machine {
  readonly name: string;
  /** Working temperature, °C. */
  readonly level: number;
  readonly fault: Condition;
  /** When in the cycle the fault begins, seconds. */
  readonly onset: number;
}

const MACHINES: readonly Machine[] = [
  { name: 'press-1', level: 62, fault: 'imbalance', onset: 20 },
  { name: 'mill-2', level: 48, fault: 'bearing_fault', onset: 36 },
  { name: 'pump-3', level: 35, fault: 'looseness', onset: 48 },
];

function run(machine: Machine, url: string, seed: number): void {
  const random = seededRandom(seed);
  const client = mqtt.connect(url, {
    clientId: machine.name,
    clean: true,
    reconnectPeriod: 1000,
    queueQoSZero: false,
    protocolVersion: 4,
  });
  client.on('error', (error) => report(`${machine.name}: ${error.message}`));
  const started = performance.now();
  let wander = 0;
  let faulty = false;
  let heat = { level: 0, jitter: 0 };

  const seconds = (): number => (performance.now() - started) / 1000;
  const inFault = (): boolean => {
    const second = seconds() % CYCLE_S;
    const now = second >= machine.onset && second < machine.onset + FAULT_S;
    if (now && !faulty)
      heat = { level: (random.chance(0.7) ? 1 : -1) * random.between(4, 16), jitter: random.between(0.1, 3) };
    if (now !== faulty) report(`${machine.name}: ${now ? `${machine.fault} begins` : 'runs normally again'}`);
    faulty = now;
    return now;
  };

  every(TEMPERATURE_MS, async () => {
    wander = 0.97 * wander + 0.08 * random.normal();
    const off = inFault() && seconds() > LEARNING_S ? heat.level + heat.jitter * random.normal() : 0;
    const t = Math.round((machine.level + wander + 0.15 * random.normal() + off) * 100) / 100;
    await client.publishAsync(`plant/${machine.name}/temperature`, JSON.stringify({ t, ts: Date.now() }), {
      qos: 1,
    });
  });
  every(VIBRATION_MS, async () => {
    const window = vibration(random, inFault() ? machine.fault : 'normal', 0.8);
    const payload = Buffer.from(window.buffer, window.byteOffset, window.byteLength);
    await client.publishAsync(`plant/${machine.name}/vibration`, payload, { qos: 1 });
  });
}

liveWithParent();
const url = option('mqtt');
MACHINES.forEach((machine, index) => {
  run(machine, url, 7 + index);
});
