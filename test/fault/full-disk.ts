import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditView, StatusView } from '../../gateway/http/views.ts';
import { freePorts, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { startPublishers } from '../support/publishers.ts';
import { startReceiver } from '../support/receiver.ts';
import { until } from '../support/until.ts';

export interface FullDiskOptions {
  readonly whenFull: 'reject-new' | 'drop-oldest';
  /** Messages a second. */
  readonly rate: number;
}

export interface FullDiskReport {
  readonly whenFull: FullDiskOptions['whenFull'];
  readonly acknowledged: number;
  /** Acknowledged while the disk was full. */
  readonly acknowledgedWhileFull: number;
  /** Acknowledged and never upstream. */
  readonly lost: number;
  /** What the audit says was given up before the upstream had it. */
  readonly expired: number;
  readonly alarmed: boolean;
  /** From space being back until a reading is acknowledged and the alarm is over. */
  readonly resumedMs: number;
  readonly auditHolds: boolean;
  /** Exit code of the gateway after SIGTERM in the end; anything else means that it ended by itself. */
  readonly exitCode: number | null;
}

const STREAM = 'load';
const SMALL = '8m';
const LARGE = '64m';
/** How long the load goes on with a full disk. */
const FULL_FOR_MS = 5_000;

/** Whether this process may mount a file system. */
export function canMount(folder: string): boolean {
  try {
    mount(folder, SMALL);
    execFileSync('umount', [folder]);
    return true;
  } catch {
    return false;
  }
}

function mount(folder: string, size: string, ...options: string[]): void {
  const all = [...options, `size=${size}`].join(',');
  execFileSync('mount', ['-t', 'tmpfs', '-o', all, 'tmpfs', folder], { stdio: 'ignore' });
}

/** Fills the disk of a gateway whose upstream is away, keeps the load up, and gives it space again. */
export async function fullDiskTest({ whenFull, rate }: FullDiskOptions): Promise<FullDiskReport> {
  const folder = mkdtempSync(join(tmpdir(), 'aimx-full-'));
  const data = join(folder, 'data');
  mkdirSync(data);
  mount(data, SMALL);
  const ports = await freePorts();
  const receiver = await startReceiver();
  writeConfig(folder, ports, {
    gateway: { name: 'full', dataDir: './data' },
    streams: [
      {
        id: STREAM,
        fields: { n: {}, value: {}, note: { type: 'string' } },
        journal: { whenFull },
      },
    ],
    upstream: [{ id: 'receiver', http: { url: receiver.url, batch: 500 }, send: ['readings'] }],
  });
  await receiver.down();
  const gateway = await startGatewayProcess(folder, ports);
  const load = await startPublishers({ port: ports.mqtt, stream: STREAM, devices: 10, rate, note: 1000 });
  const status = (): Promise<StatusView> => gateway.api('/api/v1/status');
  const alarmed = async (): Promise<boolean> =>
    (await status()).alarms.some(({ kind }) => kind === 'store-full');
  try {
    await until(alarmed, 'the alarm of a full disk', 60_000);
    const before = load.acknowledged.length;
    await new Promise((done) => setTimeout(done, FULL_FOR_MS));
    const acknowledgedWhileFull = load.acknowledged.length - before;
    const stillAlarmed = await alarmed();
    mount(data, LARGE, 'remount');
    const spaceAt = performance.now();
    const then = load.acknowledged.length;
    await until(
      async () => load.acknowledged.length > then && !(await alarmed()),
      'readings to be taken again',
      30_000,
    );
    const resumedMs = Math.round(performance.now() - spaceAt);
    await new Promise((done) => setTimeout(done, 1000));
    await load.stop();
    await receiver.up();
    await until(
      async () => (await status()).upstream.every(({ backlog }) => backlog === 0),
      'an empty outbox',
      60_000,
    );
    const arrived = new Set(receiver.records.map(({ device, body }) => `${device}:${nOf(body)}`));
    const lost = new Set(load.acknowledged).difference(arrived).size;
    const audit = await gateway.api<AuditView[]>('/api/v1/audit');
    return {
      whenFull,
      acknowledged: load.acknowledged.length,
      acknowledgedWhileFull,
      lost,
      expired: audit.find(({ stream }) => stream === STREAM)?.expired ?? 0,
      alarmed: stillAlarmed,
      resumedMs,
      auditHolds: audit.every(({ holds }) => holds),
      exitCode: await gateway.stop(),
    };
  } finally {
    await load.stop();
    await gateway.stop();
    await receiver.close();
    execFileSync('umount', ['-l', data]);
    rmSync(folder, { recursive: true, force: true });
  }
}

const nOf = (body: Readonly<Record<string, unknown>>): number => (body.values as { n: number }).n;

/** Whether the promise was kept. */
export function fullDiskHolds(report: FullDiskReport): boolean {
  const { whenFull, lost, expired, acknowledgedWhileFull } = report;
  const kept =
    whenFull === 'reject-new' ? lost === 0 && expired === 0 : lost <= expired && acknowledgedWhileFull > 0;
  return kept && report.alarmed && report.resumedMs <= 10_000 && report.auditHolds && report.exitCode === 0;
}
