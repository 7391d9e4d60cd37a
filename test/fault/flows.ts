/**
 * Flows that misbehave: one that never yields, two that take all memory, two that throw, one that floods the broker. A device
 * publishes with QoS 1 and another client receives, all the time; slots with good flows and with bad ones take turns, so
 * that what else the machine does falls on both.
 *
 *     node test/fault/flows.ts --rounds 2 --seconds 5 --rate 200
 *
 * Passes when the core lived, no acknowledged reading was lost, every flow that ended its process was replaced by the last
 * good one with an alarm that names the node, and the others' p99 (the median of the slots) is at most
 * `--ratio` times that beside good flows, or 20 ms.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import type { StatusView } from '../../gateway/http/views.ts';
import { readLocalApi } from '../../gateway/security/index.ts';
import { freePorts, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { numbers } from './arguments.ts';
import { type Attack, FALLS_BACK, flowsOf } from './flows/attacks.ts';

const options = numbers({ rounds: 2, seconds: 5, rate: 200, ratio: 2 });
const PATIENCE_MS = 120_000;

interface FlowsStatus {
  readonly state: string;
  readonly restarts: number;
  readonly snapshot: number | null;
}

const folder = mkdtempSync(join(tmpdir(), 'aimx-flows-fault-'));
// The user that flows run as must get through.
chmodSync(folder, 0o711);
const ports = await freePorts();
writeConfig(folder, ports, {
  gateway: { name: 'flows-fault', dataDir: './data' },
  streams: [{ id: 'load', fields: { n: {} } }],
  flows: {
    enabled: true,
    heapMiB: 128,
    hangAfter: '5s',
    fallback: { crashes: 2, within: '10m', goodAfter: '2s' },
  },
});
const gateway = await startGatewayProcess(folder, ports, { timeoutMs: 60_000 });
const url = `mqtt://127.0.0.1:${ports.mqtt}`;
const state = () => gateway.api<FlowsStatus>('/api/v1/flows');
const token = readLocalApi(join(folder, 'data'))!.token;

async function deploy(kind: Attack | 'good'): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${ports.http}/flows/flows`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'node-red-deployment-type': 'full',
    },
    body: JSON.stringify(flowsOf(kind, ports.mqtt)),
  });
  // Flows that end their process at once may do so before the answer.
  if (!response.ok && (kind === 'good' || response.status !== 502))
    throw new Error(`deploying ${kind}: ${response.status} ${await response.text()}`);
}

const device = await connectAsync(url, { clientId: 'device' });
const receiver = await connectAsync(url, { clientId: 'receiver' });
await receiver.subscribeAsync('aimx/s/load/#', { qos: 0 });
/** Milliseconds from publish to PUBACK, and to the other client, of the slot that is measured. */
let acks: number[] = [];
let deliveries: number[] = [];
let sent = 0;
let acknowledged = 0;
receiver.on('message', (_topic, payload) => {
  deliveries.push(performance.now() - (JSON.parse(payload.toString()) as { n: number }).n);
});
const publisher = setInterval(() => {
  for (let i = 0; i < options.rate / 50; i++) {
    const at = performance.now();
    sent++;
    device.publish('aimx/s/load/d1', `{"n":${at}}`, { qos: 1 }, (error) => {
      if (error) return;
      acknowledged++;
      acks.push(performance.now() - at);
    });
  }
}, 20);

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Measures until `done`, but for as long as asked at least. */
async function slot(done: () => Promise<void>): Promise<{ acks: number[]; deliveries: number[] }> {
  acks = [];
  deliveries = [];
  await Promise.all([sleep(options.seconds * 1000), done()]);
  return { acks, deliveries };
}

const p99 = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return Number((sorted[Math.floor(0.99 * (sorted.length - 1))] ?? 0).toFixed(2));
};

/** Of the slots: a stall of the machine falls on one of them. */
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

async function good(): Promise<void> {
  await deploy('good');
  await until(
    async () => {
      const kept = await gateway.api<{ current: boolean; good: number | null }[]>('/api/v1/flows/snapshots');
      return (await state()).state === 'running' && kept.find(({ current }) => current)?.good !== null;
    },
    'good flows',
    PATIENCE_MS,
  );
}

interface Figures {
  /** p99 of each slot, beside good flows and beside bad ones. */
  readonly quiet: { acks: number[]; deliveries: number[] };
  readonly attacked: { acks: number[]; deliveries: number[] };
  readonly seconds: number[];
  readonly faults: string[];
  alarm: string | null;
}

const figures = new Map<Attack, Figures>();

async function attack(kind: Attack, one: Figures): Promise<void> {
  const before = await slot(async () => undefined);
  const { snapshot } = await state();
  const { restarts } = await state();
  const begun = performance.now();
  await deploy(kind);
  const during = await slot(async () => {
    if (!FALLS_BACK[kind]) return;
    await until(
      async () => {
        const now = await state();
        return now.state === 'running' && now.snapshot === snapshot;
      },
      `the good flows after ${kind}`,
      PATIENCE_MS,
    ).catch((error: Error) => one.faults.push(error.message));
    one.seconds.push(Number(((performance.now() - begun) / 1000).toFixed(1)));
  });
  const status = await gateway.api<StatusView>('/api/v1/status');
  const told = status.alarms.find((alarm) => alarm.kind === 'flows-fell-back');
  one.alarm = told?.message ?? null;
  if (FALLS_BACK[kind] && !told?.message.includes(`function "${kind}" in "Attack" (culprit)`))
    one.faults.push(`the alarm does not name the node: ${told?.message}`);
  if (!FALLS_BACK[kind] && (await state()).restarts !== restarts) one.faults.push('its process ended');
  for (const which of ['acks', 'deliveries'] as const) {
    one.quiet[which].push(p99(before[which]));
    one.attacked[which].push(p99(during[which]));
  }
  await good();
}

let passed = true;
try {
  // The first visit starts it.
  await fetch(`http://127.0.0.1:${ports.http}/flows/`, { headers: { authorization: `Bearer ${token}` } });
  await until(async () => (await state()).state === 'running', 'Node-RED', PATIENCE_MS);
  await good();
  for (let round = 0; round < options.rounds; round++) {
    for (const kind of Object.keys(FALLS_BACK) as Attack[]) {
      const one = figures.get(kind) ?? {
        quiet: { acks: [], deliveries: [] },
        attacked: { acks: [], deliveries: [] },
        ...{ seconds: [], faults: [], alarm: null },
      };
      figures.set(kind, one);
      await attack(kind, one);
      process.stderr.write(`round ${round + 1}: ${kind}\n`);
    }
  }
  clearInterval(publisher);
  await until(() => acknowledged === sent, 'the acknowledgements', 30_000).catch(() => undefined);
  const stored = (await gateway.api<StatusView>('/api/v1/status')).streams[0]!.records;
  const rows = [...figures].map(([kind, { quiet, attacked, seconds, faults, alarm }]) => {
    const row = {
      kind,
      ackP99: [median(quiet.acks), median(attacked.acks)],
      deliveryP99: [median(quiet.deliveries), median(attacked.deliveries)],
      slots: { quiet: quiet.acks, attacked: attacked.acks },
      backAfterSeconds: seconds,
      alarm,
      faults,
    };
    const within = ([before, during]: number[]): boolean => during! <= Math.max(20, options.ratio * before!);
    passed &&= within(row.ackP99) && within(row.deliveryP99) && faults.length === 0;
    return row;
  });
  passed &&= acknowledged === sent && stored >= acknowledged;
  console.log(JSON.stringify({ ...options, sent, acknowledged, stored, rows }, null, 1));
  console.log(passed ? 'passed' : 'FAILED');
  await Promise.all([device.endAsync(true), receiver.endAsync(true)]);
} catch (error) {
  console.error(gateway.log().slice(-4000));
  throw error;
} finally {
  clearInterval(publisher);
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(passed ? 0 : 1);
