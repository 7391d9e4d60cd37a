import { cpus } from 'node:os';
import { type BenchContext, type Figure, type FigureResult, interleave, median, rounded } from '../figure.ts';
import type { LoadOptions } from '../mqtt-load.ts';
import { cpuMicroseconds, family, peakMiB } from '../processes.ts';
import { fillWindows, gateway, load, mosquitto } from '../sides.ts';

interface Shape {
  readonly devices: number;
  readonly burst: number;
  readonly window: number;
}

/**
 * Messages per second from QoS 1 in to QoS 1 out: the gateway stores each reading before it acknowledges it, judges it
 * by a model and publishes the result; Mosquitto hands the message on. One generator for both, which also receives.
 */
async function wholePath(context: BenchContext, shape: Shape, must: number): Promise<FigureResult> {
  const reference = await mosquitto(context);
  const ours = await gateway(context);
  await fillWindows(ours, shape.devices);
  const messages = context.quick ? 20_000 : 150_000;
  const common: Partial<LoadOptions> = {
    messages,
    publishers: shape.devices,
    burst: shape.burst,
    window: shape.window,
    topic: 'aimx/s/load0/dev{d}',
    expectDelivered: messages,
  };
  const cpu: number[] = [];
  const latency: number[] = [];
  const rates = await interleave(context, context.quick ? 2 : 5, {
    mosquitto: async () => (await load({ ...common, port: reference, subscribe: 'aimx/s/#' })).rate,
    gateway: async () => {
      const before = family(ours.pid).map(cpuMicroseconds);
      const report = await load({ ...common, port: ours.ports.mqtt, subscribe: 'aimx/result/#' });
      const after = family(ours.pid).map(cpuMicroseconds);
      cpu.push(rounded(after.reduce((sum, value, i) => sum + value - before[i]!, 0) / messages));
      latency.push(rounded(report.ackUs.p50 / 1000));
      return report.rate;
    },
  });
  const ratio = rounded(median(rates.gateway) / median(rates.mosquitto));
  return {
    values: { ratio, gateway: median(rates.gateway), mosquitto: median(rates.mosquitto) },
    holds: ratio >= must,
    rounds: { ...rates, gatewayCpuUsPerMessage: cpu, gatewayAckMsP50: latency },
    notes: [
      `core's peak RSS ${Math.round(peakMiB(ours.pid))} MiB`,
      `the generator shares the ${cpus().length} cores with both sides`,
    ],
  };
}

export const p1: Figure = {
  id: 'P1',
  title: 'whole path, 10 pipelined publishers ÷ Mosquitto pass-through',
  must: 'ratio ≥ 0.75',
  stretch: 'ratio ≥ 1.5, then 4',
  run: (context) => wholePath(context, { devices: 10, burst: 32, window: 1000 }, 0.75),
};

export const p2: Figure = {
  id: 'P2',
  title: 'whole path, 100 devices, one packet per write ÷ Mosquitto pass-through',
  must: 'ratio ≥ 0.5',
  stretch: 'ratio ≥ 1, then 1.6',
  run: (context) => wholePath(context, { devices: 100, burst: 1, window: 100 }, 0.5),
};
