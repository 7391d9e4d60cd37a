import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts, ROOT, startGatewayProcess, writeConfig } from '../../support/gateway-process.ts';
import { type BenchContext, type Figure, median, rounded } from '../figure.ts';
import { family, proportionalMiB, residentMiB } from '../processes.ts';
import { gateway, scratch } from '../sides.ts';

const SETTLE_MS = 5_000;
const NOT_BUILT =
  'there is no dist/: `npm run build` first to measure what is installed, not only the sources';

/** What `npm run build` made, and the sources, which Node strips of their types while it loads them. */
function programs(): Record<string, string> {
  const built = join(ROOT, 'dist/gateway/main.js');
  return { ...(existsSync(built) ? { built } : {}), sources: join(ROOT, 'gateway/main.ts') };
}

function keep(rounds: Record<string, number[]>, name: string, value: number): void {
  rounds[name] = [...(rounds[name] ?? []), value];
}

async function idleMemory(
  context: BenchContext,
  entry: string,
): Promise<{ rss: number; pss: number; core: number }> {
  // The first start fills the cache of compiled code, as on any machine; the second is measured.
  const env = { XDG_CACHE_HOME: scratch(context) };
  await (await gateway(context, { entry, env })).stop();
  const side = await gateway(context, { entry, env });
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const processes = family(side.pid);
  const sum = (of: (pid: number) => number): number =>
    rounded(
      processes.map(of).reduce((a, b) => a + b, 0),
      1,
    );
  const memory = {
    rss: sum(residentMiB),
    pss: sum(proportionalMiB),
    core: rounded(residentMiB(side.pid), 1),
  };
  await side.stop();
  return memory;
}

export const p8: Figure = {
  id: 'P8',
  title: 'resident memory when idle, gateway and model host with one small model (MiB)',
  must: 'RSS ≤ 200',
  stretch: 'RSS ≤ 130',
  async run(context) {
    const rounds: Record<string, number[]> = {};
    for (let round = 0; round < (context.quick ? 1 : 3); round++) {
      for (const [name, entry] of Object.entries(programs())) {
        const memory = await idleMemory(context, entry);
        for (const [figure, value] of Object.entries(memory)) keep(rounds, `${name} ${figure}`, value);
        context.say(`round ${round + 1}  ${name}: RSS ${memory.rss}, core ${memory.core}; PSS ${memory.pss}`);
      }
    }
    const name = rounds['built rss'] ? 'built' : 'sources';
    const values = { rss: median(rounds[`${name} rss`]!), pss: median(rounds[`${name} pss`]!) };
    return {
      values,
      holds: values.rss <= 200,
      rounds,
      notes: [
        'RSS counts pages that both processes share (the program node itself) twice, PSS once',
        ...(name === 'built' ? [] : [NOT_BUILT]),
      ],
    };
  },
};

export const p10: Figure = {
  id: 'P10',
  title: 'from spawn to ready without flows (ms)',
  must: '≤ 3000',
  stretch: '≤ 1000',
  async run(context) {
    const rounds: Record<string, number[]> = {};
    for (let round = 0; round < (context.quick ? 2 : 5); round++) {
      for (const [name, entry] of Object.entries(programs())) {
        const home = scratch(context);
        mkdirSync(join(home, 'cache'));
        const ports = await freePorts();
        writeConfig(home, ports, {});
        for (const which of ['first', 'second']) {
          const env = { XDG_CACHE_HOME: join(home, 'cache') };
          const side = await startGatewayProcess(home, ports, { entry, env });
          keep(rounds, `${name} ${which}`, Math.round(side.readyMs));
          context.say(`round ${round + 1}  ${name}, ${which} start ${Math.round(side.readyMs)}`);
          await side.stop();
        }
      }
    }
    const name = rounds['built first'] ? 'built' : 'sources';
    const values = { second: median(rounds[`${name} second`]!), first: median(rounds[`${name} first`]!) };
    return {
      values,
      holds: values.first <= 3000,
      rounds,
      notes: [
        'first: a new key, a new database, nothing compiled; the files of the program are in the page cache',
        ...(name === 'built' ? [] : [NOT_BUILT]),
      ],
    };
  },
};
