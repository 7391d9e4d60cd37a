import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts, startGatewayProcess, writeConfig } from '../../support/gateway-process.ts';
import { type Figure, median, rounded } from '../figure.ts';
import { family, proportionalMiB, residentMiB } from '../processes.ts';
import { gateway, scratch } from '../sides.ts';

const SETTLE_MS = 5_000;

export const p8: Figure = {
  id: 'P8',
  title: 'resident memory when idle, gateway and model host with one small model (MiB)',
  must: 'RSS ≤ 200',
  stretch: 'RSS ≤ 130',
  async run(context) {
    const rss: number[] = [];
    const pss: number[] = [];
    const core: number[] = [];
    for (let round = 0; round < (context.quick ? 1 : 3); round++) {
      const side = await gateway(context);
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const processes = family(side.pid);
      const sum = (of: (pid: number) => number) =>
        rounded(
          processes.map(of).reduce((a, b) => a + b, 0),
          1,
        );
      rss.push(sum(residentMiB));
      pss.push(sum(proportionalMiB));
      core.push(rounded(residentMiB(side.pid), 1));
      context.say(
        `round ${round + 1}  ${processes.length} processes, RSS ${rss.at(-1)}, of which the core ${core.at(-1)}; PSS ${pss.at(-1)}`,
      );
      await side.stop();
    }
    return {
      values: { rss: median(rss), pss: median(pss) },
      holds: median(rss) <= 200,
      rounds: { rss, pss, core },
      notes: ['RSS counts pages that both processes share (the node binary) twice; PSS counts them once'],
    };
  },
};

export const p10: Figure = {
  id: 'P10',
  title: 'from spawn to ready without flows (ms)',
  must: '≤ 3000',
  stretch: '≤ 1000',
  async run(context) {
    const first: number[] = [];
    const later: number[] = [];
    const folder = scratch(context);
    for (let round = 0; round < (context.quick ? 2 : 5); round++) {
      const home = join(folder, String(round));
      mkdirSync(home);
      const ports = await freePorts();
      writeConfig(home, ports, {});
      for (const times of [first, later]) {
        const side = await startGatewayProcess(home, ports, { env: { AIMX_CACHE: join(home, 'cache') } });
        times.push(Math.round(side.readyMs));
        await side.stop();
      }
      rmSync(home, { recursive: true });
      context.say(`round ${round + 1}  first start ${first.at(-1)}, second start ${later.at(-1)}`);
    }
    return {
      values: { later: median(later), first: median(first) },
      holds: median(first) <= 3000,
      rounds: { first, later },
      notes: [
        'first: a fresh data folder, with a new key and database; the files of the program are in the page cache',
      ],
    };
  },
};
