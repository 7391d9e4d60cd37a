import { createLog, type LogLevel } from '../system/log.ts';
import { serviceManager } from '../system/systemd.ts';
import { trimHeap } from '../system/trim-heap.ts';
import type { Command } from './command.ts';

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export const start: Command = {
  name: 'start',
  summary: 'run the gateway',
  usage: ['start [--config FILE] [--log debug|info|warn|error]'],
  help: `
Runs until SIGTERM or Ctrl-C, then finishes what it has acknowledged and ends within ten seconds. Logs are JSON lines on
standard error. With --json one line on standard output tells when it is ready. Tells systemd when it is ready and feeds
its watchdog.`,
  options: { log: { type: 'string' } },
  longRunning: true,
  async run(context) {
    const level = LEVELS.find((name) => name === context.option('log')) ?? 'info';
    const { installedModels } = await import('./installed-models.ts');
    const { models } = await installedModels(context.configFile);
    const loaded = context.config({ migrate: true, ...(models ? { models } : {}) });
    const { createGateway } = await import('../gateway.ts');
    const log = createLog({ level: context.flag('debug') ? 'debug' : level });
    const gateway = createGateway({ ...loaded, log });
    await gateway.start(context.signal);
    trimHeap();
    const manager = serviceManager(process.env, gateway.clock, log, () => gateway.healthy());
    manager.ready();
    const { addresses } = gateway;
    context.ui.out(
      context.json ? JSON.stringify({ event: 'ready', addresses }) : `ready: ${addresses.join(' ')}`,
    );
    await aborted(context.signal);
    manager.stopping();
    await gateway.stop();
    return 0;
  },
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true });
  });
