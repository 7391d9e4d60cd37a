import type { LoadedConfig, LoadOptions } from '../config/index.ts';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { Gateway } from '../gateway.ts';
import type { Log } from '../ports/log.ts';
import { systemClock } from '../system/clock.ts';
import { createLog, type LogLevel } from '../system/log.ts';
import { type ServiceManager, serviceManager } from '../system/systemd.ts';
import { trimHeap } from '../system/trim-heap.ts';
import type { Command, CommandContext } from './command.ts';
import { reportError } from './report.ts';

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export const start: Command = {
  name: 'start',
  summary: 'run the gateway',
  usage: [
    'start [--config FILE] [--log debug|info|warn|error] [--no-setup | --setup-host HOST --setup-port N]',
  ],
  help: `
Runs until SIGTERM or Ctrl-C, then finishes what it has acknowledged and ends within ten seconds. Logs are JSON lines on
standard error. With --json one line on standard output tells when it is ready. Tells systemd when it is ready and feeds
its watchdog.

Without a configuration, or with a broken one, it serves a page that asks for what is missing, or shows what is wrong, and goes on
by itself once that is mended. The page wants the claim code that is printed then.

  --no-setup         end with code 2 instead
  --setup-host HOST  where the page listens (default: what the broken file says, else 127.0.0.1; AIMX_SETUP_HOST does the same)
  --setup-port N     default: what the broken file says, else 8080`,
  options: {
    log: { type: 'string' },
    'no-setup': { type: 'boolean' },
    'setup-host': { type: 'string' },
    'setup-port': { type: 'string' },
  },
  longRunning: true,
  async run(context) {
    const level = LEVELS.find((name) => name === context.option('log')) ?? 'info';
    const log = createLog({ level: context.flag('debug') ? 'debug' : level });
    const running = new RunningProcess(context, log);
    for (let fresh = false; !context.signal.aborted; ) {
      const { installedModels } = await import('./installed-models.ts');
      const { models } = await installedModels(context.configFile);
      const loaded = await running.configuration(models);
      if (!loaded) break;
      try {
        fresh = (await running.serve(loaded)) === 'restart';
      } catch (error) {
        // What was entered a moment ago may be wrong in a way that only starting shows.
        if (!running.setUp && !fresh) throw error;
        await running.mend(asGatewayError(error), models);
      }
    }
    return 0;
  },
};

type Models = LoadOptions['models'];

/** One process through first runs, starts and restarts. systemd hears of it once. */
class RunningProcess {
  readonly #context: CommandContext;
  readonly #log: Log;
  #gateway: Gateway | undefined;
  #manager: ServiceManager | undefined;
  /** Whether a page of this process wrote the configuration. */
  setUp = false;

  constructor(context: CommandContext, log: Log) {
    this.#context = context;
    this.#log = log;
  }

  /** The configuration, as soon as there is a valid one; undefined when the process is to end first. */
  async configuration(models: Models): Promise<LoadedConfig | undefined> {
    const { signal } = this.#context;
    while (!signal.aborted) {
      try {
        return this.#context.config({ migrate: true, ...(models ? { models } : {}) });
      } catch (error) {
        const { code } = asGatewayError(error);
        if (this.#context.flag('no-setup') || (code !== 'CONFIG_INVALID' && code !== 'CONFIG_UNREADABLE'))
          throw error;
        reportError(error, { ui: this.#context.ui, json: false, debug: this.#context.flag('debug') });
        await this.mend(undefined, models);
      }
    }
    return undefined;
  }

  /** Serves the first-run page until the configuration is valid. @param failure why one that is valid cannot start */
  async mend(failure: GatewayError | undefined, models: Models): Promise<void> {
    const { configFile, signal, option, ui, json } = this.#context;
    if (failure) reportError(failure, { ui, json: false, debug: this.#context.flag('debug') });
    const { runSetup } = await import('../setup/index.ts');
    this.setUp = await runSetup(
      {
        file: configFile,
        host: option('setup-host') ?? process.env.AIMX_SETUP_HOST,
        port: portOf(option('setup-port')),
        failure,
        clock: systemClock(),
        log: this.#log,
        models: () => models,
        ready: ({ url, code, codeFile }) => {
          this.#ready();
          ui.out(
            json
              ? JSON.stringify({ event: 'setup', url, codeFile })
              : `setup: open ${url} and enter the claim code ${code} (also in ${codeFile})`,
          );
        },
      },
      signal,
    );
  }

  /** Runs a gateway until it is to end, or to start again with what was saved. */
  async serve(loaded: LoadedConfig): Promise<'end' | 'restart'> {
    const { signal, ui, json } = this.#context;
    const { promise, resolve } = Promise.withResolvers<'end' | 'restart'>();
    const { createGateway } = await import('../gateway.ts');
    const gateway = createGateway({ ...loaded, log: this.#log, restart: () => resolve('restart') });
    await gateway.start(signal);
    trimHeap();
    this.#gateway = gateway;
    this.#ready();
    const { addresses } = gateway;
    ui.out(json ? JSON.stringify({ event: 'ready', addresses }) : `ready: ${addresses.join(' ')}`);
    const end = (): void => resolve('end');
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    const next = await promise;
    signal.removeEventListener('abort', end);
    if (next === 'end') this.#manager?.stopping();
    await gateway.stop();
    this.#gateway = undefined;
    this.setUp = false;
    return next;
  }

  #ready(): void {
    if (this.#manager) return;
    const healthy = (): boolean => this.#gateway?.healthy() ?? true;
    this.#manager = serviceManager(process.env, this.#gateway?.clock ?? systemClock(), this.#log, healthy);
    this.#manager.ready();
  }
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port < 65_536) return port;
  throw new GatewayError('USAGE', '--setup-port takes a port', { received: text, expected: '0 to 65535' });
}
