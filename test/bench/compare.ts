/**
 * Two or more checkouts under the same load in turns: CPU of each thread per message, latency and bytes written.
 *
 *   node test/bench/compare.ts OTHER_CHECKOUT… [--rounds N] [--messages N] [--devices N] [--burst N] [--rate N]
 *
 * Prints for each the least and the median. On a machine that is shared, the least is what it costs undisturbed.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { median, rounded } from './figure.ts';
import { bytesWritten, cpuByThread, cpuMicroseconds, family, peakMiB } from './processes.ts';
import { fillWindows, gateway, load } from './sides.ts';

const { values, positionals } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    messages: { type: 'string', default: '60000' },
    devices: { type: 'string', default: '10' },
    burst: { type: 'string', default: '32' },
    rate: { type: 'string', default: '0' },
  },
  allowPositionals: true,
});
const messages = Number(values.messages);
const devices = Number(values.devices);
const rate = Number(values.rate);
const here = resolve(import.meta.dirname, '../..');

const tasks: (() => unknown)[] = [];
const context = {
  quick: false,
  say: console.log,
  cleanUp: (task: () => unknown) => void tasks.unshift(task),
};
try {
  const sides: { name: string; side: GatewayProcess; rounds: Record<string, number>[] }[] = [];
  for (const checkout of [...positionals.map((path) => resolve(path)), here]) {
    const side = await gateway(context, { entry: join(checkout, 'gateway/main.ts') });
    await fillWindows(side, devices);
    sides.push({ name: checkout, side, rounds: [] });
  }
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const { side, rounds } of sides) {
      const figures = await measured(side);
      if (round > 0) rounds.push(figures);
    }
  }
  for (const { name, side, rounds } of sides) {
    const texts = Object.keys(rounds[0] ?? {}).map((key) => {
      const all = rounds.map((one) => one[key]!);
      return `${key} ${rounded(Math.min(...all))}/${rounded(median(all))}`;
    });
    console.log(`${name}: ${texts.join(', ')}, peak RSS ${Math.round(peakMiB(side.pid))} MiB`);
  }
} finally {
  for (const task of tasks) await task();
}

async function measured({ pid, ports }: GatewayProcess): Promise<Record<string, number>> {
  const before = { threads: cpuByThread(pid), all: total(pid), written: bytesWritten(pid) };
  const report = await load({
    port: ports.mqtt,
    publishers: Math.min(devices, 100),
    devices,
    burst: Number(values.burst),
    window: devices > 10 ? 100 : 1000,
    rate,
    topic: 'aimx/s/load0/dev{d}',
    subscribe: 'aimx/result/#',
    messages,
    expectDelivered: messages,
  });
  const cpu: Record<string, number> = { all: total(pid) - before.all, main: 0, v8: 0, writer: 0 };
  for (const [thread, micros] of Object.entries(cpuByThread(pid))) {
    const name = nameOf(thread, pid);
    if (name !== undefined) cpu[name] = cpu[name]! + micros - (before.threads[thread] ?? 0);
  }
  for (const name in cpu) cpu[name] = cpu[name]! / messages;
  const { ackUs, deliveryUs } = report;
  return {
    ...cpu,
    perSecond: report.rate,
    ackMs: ackUs.p50 / 1000,
    ...(deliveryUs ? { p50Ms: deliveryUs.p50 / 1000, p99Ms: deliveryUs.p99 / 1000 } : {}),
    writtenPerByte: (bytesWritten(pid) - before.written) / (messages * 200),
  };
}

function total(pid: number): number {
  return family(pid).reduce((sum, one) => sum + cpuMicroseconds(one), 0);
}

function nameOf(thread: string, pid: number): string | undefined {
  const [name = '', id] = thread.split('/');
  if (Number(id) === pid) return 'main';
  if (name.startsWith('V8')) return 'v8';
  return name.includes('writer') ? 'writer' : undefined;
}
