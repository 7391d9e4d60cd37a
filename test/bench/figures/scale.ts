import type { GatewayProcess } from '../../support/gateway-process.ts';
import { type BenchContext, type Figure, interleave, median, rounded } from '../figure.ts';
import { cpuMicroseconds, family } from '../processes.ts';
import { fillWindows, gateway, load } from '../sides.ts';

interface Part {
  readonly side: GatewayProcess;
  readonly devices: number;
  readonly topic: string;
}

/** CPU of the gateway and its model host per message, in microseconds. */
async function costOf(context: BenchContext, { side, devices, topic }: Part): Promise<number> {
  const messages = context.quick ? 20_000 : 100_000;
  const before = family(side.pid).map(cpuMicroseconds);
  await load({
    port: side.ports.mqtt,
    publishers: 10,
    devices,
    topic,
    messages,
    subscribe: 'aimx/result/#',
    expectDelivered: messages,
  });
  const after = family(side.pid).map(cpuMicroseconds);
  return after.reduce((sum, value, i) => sum + value - before[i]!, 0) / messages;
}

export const p7: Figure = {
  id: 'P7',
  title: 'cost per message, 10 → 10,000 devices and 1 → 100 pipelines on different streams',
  must: 'both ratios ≤ 2',
  stretch: 'flat',
  async run(context) {
    const many = context.quick ? 1000 : 10_000;
    const one = await gateway(context);
    const hundred = await gateway(context, { pipelines: 100 });
    const parts = {
      '10 devices': { side: one, devices: 10, topic: 'aimx/s/load0/few{d}' },
      [`${many} devices`]: { side: one, devices: many, topic: 'aimx/s/load0/many{d}' },
      '1 pipeline': { side: one, devices: 100, topic: 'aimx/s/load0/dev{d}' },
      '100 pipelines': { side: hundred, devices: 100, topic: 'aimx/s/load{d}/dev{d}' },
    };
    for (const part of Object.values(parts)) await fillWindows(part.side, part.devices, part.topic);
    const rounds = await interleave(
      context,
      context.quick ? 2 : 5,
      Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, () => costOf(context, part)])),
    );
    const cost = (name: string): number => median(rounds[name]!);
    const devices = rounded(cost(`${many} devices`) / cost('10 devices'));
    const pipelines = rounded(cost('100 pipelines') / cost('1 pipeline'));
    return { values: { devices, pipelines }, holds: devices <= 2 && pipelines <= 2, rounds };
  },
};
