import { type Figure, interleave, median, rounded } from '../figure.ts';
import type { LoadOptions } from '../mqtt-load.ts';
import { fillWindows, gateway, load, mosquitto } from '../sides.ts';

const DEVICES = 10;
const RATE = 5000;

export const p6: Figure = {
  id: 'P6',
  title: 'latency that the gateway adds to Mosquitto at 5,000 messages per second',
  must: 'p50 ≤ 4 ms, p99 ≤ 30 ms',
  stretch: 'p50 ≤ 1.5 ms, p99 ≤ 8 ms',
  async run(context) {
    const reference = await mosquitto(context);
    const ours = await gateway(context);
    await fillWindows(ours, DEVICES);
    const messages = RATE * (context.quick ? 2 : 5);
    const common: Partial<LoadOptions> = {
      messages,
      rate: RATE,
      burst: 1,
      publishers: DEVICES,
      topic: 'aimx/s/load0/dev{d}',
      expectDelivered: messages,
    };
    const p99: Record<'mosquitto' | 'gateway', number[]> = { mosquitto: [], gateway: [] };
    const side = (name: 'mosquitto' | 'gateway', options: Partial<LoadOptions>) => async (round: number) => {
      const { deliveryUs } = await load({ ...common, ...options });
      if (round > 0) p99[name].push(rounded(deliveryUs!.p99 / 1000));
      return deliveryUs!.p50 / 1000;
    };
    const p50 = await interleave(context, context.quick ? 2 : 5, {
      mosquitto: side('mosquitto', { port: reference, subscribe: 'aimx/s/#' }),
      gateway: side('gateway', { port: ours.ports.mqtt, subscribe: 'aimx/result/#' }),
    });
    const addedP50 = rounded(median(p50.gateway) - median(p50.mosquitto));
    const addedP99 = rounded(median(p99.gateway) - median(p99.mosquitto));
    return {
      values: { addedMsP50: addedP50, addedMsP99: addedP99 },
      holds: addedP50 <= 4 && addedP99 <= 30,
      rounds: {
        mosquittoMsP50: p50.mosquitto,
        gatewayMsP50: p50.gateway,
        mosquittoMsP99: p99.mosquitto,
        gatewayMsP99: p99.gateway,
      },
      notes: ['from the write of a message to the arrival of what it caused, both in the generator'],
    };
  },
};
