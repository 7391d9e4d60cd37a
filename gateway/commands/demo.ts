import { resolve } from 'node:path';
import { parseDuration } from '../config/units.ts';
import { GatewayError } from '../errors.ts';
import { createLog } from '../system/log.ts';
import type { Command } from './command.ts';

/** What `npm start` runs. */
export const demo: Command = {
  name: 'demo',
  summary: 'run everything on this machine: gateway, simulated home and plant, upstream and chain',
  usage: ['demo [--fresh] [--data DIR] [--until-first-batch] [--timeout 120s]'],
  help: `
  --data DIR           where everything is kept (default ./data/demo)
  --fresh              begin with empty data
  --until-first-batch  end once a result, a forwarded aggregate and a posted batch were seen
  --timeout DURATION   give up after this long; exit code 1 with --until-first-batch`,
  options: {
    data: { type: 'string' },
    fresh: { type: 'boolean' },
    'until-first-batch': { type: 'boolean' },
    timeout: { type: 'string' },
  },
  longRunning: true,
  async run(context) {
    const { runDemo } = await import('../../deploy/demo/run.ts');
    const complete = await runDemo(
      {
        folder: resolve(context.option('data') ?? 'data/demo'),
        fresh: context.flag('fresh'),
        untilFirstBatch: context.flag('until-first-batch'),
        timeoutMs: timeoutOf(context.option('timeout')),
        log: createLog({ level: context.flag('debug') ? 'debug' : 'error' }),
        style: context.ui.style,
        print: (line) => context.ui.out(line),
      },
      context.signal,
    );
    return complete ? 0 : 1;
  },
};

function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new GatewayError('USAGE', '--timeout takes a duration', { received: text, expected: '90s, 5m' });
}
