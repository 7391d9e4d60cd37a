import { type Figure, interleave, median, rounded } from '../figure.ts';
import type { LoadOptions } from '../mqtt-load.ts';
import { bytesWritten } from '../processes.ts';
import { fillWindows, gateway, load } from '../sides.ts';

const DEVICES = 10;

export const p3: Figure = {
  id: 'P3',
  title: 'whole path, journal synced to disk ÷ journal in memory (durability normal on tmpfs)',
  must: 'ratio ≥ 0.75',
  stretch: 'ratio ≥ 0.9',
  async run(context) {
    const durable = await gateway(context);
    const memory = await gateway(context, { parent: '/dev/shm', config: { durability: 'normal' } });
    for (const side of [durable, memory]) await fillWindows(side, DEVICES);
    const messages = context.quick ? 20_000 : 150_000;
    const common: Partial<LoadOptions> = {
      messages,
      publishers: DEVICES,
      topic: 'aimx/s/load0/dev{d}',
      subscribe: 'aimx/result/#',
      expectDelivered: messages,
    };
    const rates = await interleave(context, context.quick ? 2 : 5, {
      memory: async () => (await load({ ...common, port: memory.ports.mqtt })).rate,
      durable: async () => (await load({ ...common, port: durable.ports.mqtt })).rate,
    });
    const ratio = rounded(median(rates.durable) / median(rates.memory));
    return { values: { ratio }, holds: ratio >= 0.75, rounds: rates };
  },
};

export const p9: Figure = {
  id: 'P9',
  title: 'bytes written to disk per payload byte: readings, results, receipts and cursors',
  must: '≤ 5',
  stretch: '≤ 2.5',
  async run(context) {
    const side = await gateway(context);
    await fillWindows(side, DEVICES);
    const size = 200;
    const written = async (options: Partial<LoadOptions>): Promise<number> => {
      const before = bytesWritten(side.pid);
      const { messages } = await load({
        port: side.ports.mqtt,
        publishers: DEVICES,
        topic: 'aimx/s/load0/dev{d}',
        subscribe: 'aimx/result/#',
        expectDelivered: options.messages!,
        size,
        ...options,
      });
      return (bytesWritten(side.pid) - before) / (messages * size);
    };
    const fast = context.quick ? 20_000 : 100_000;
    const rounds = await interleave(context, context.quick ? 1 : 5, {
      'as fast as it goes': () => written({ messages: fast }),
      '5,000 per second': () => written({ messages: context.quick ? 10_000 : 15_000, rate: 5000, burst: 1 }),
    });
    const perByte = rounded(median(rounds['as fast as it goes']));
    const steady = rounded(median(rounds['5,000 per second']));
    return {
      values: { perByte, perByteAt5000: steady },
      holds: perByte <= 5,
      rounds,
      notes: [`each message has ${size} B and makes one result and its share of a receipt`],
    };
  },
};
