import { dirname, join, resolve } from 'node:path';
import type { LoadOptions } from '../config/index.ts';
import { readYaml } from '../config/source.ts';
import type { GatewayError } from '../errors.ts';
import { createSetupServer } from '../http/index.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { createAccess } from '../security/index.ts';
import { readSettings } from '../settings/file.ts';
import { checkText } from '../settings/index.ts';
import { version } from '../system/version.ts';
import { createSetupAdmin } from './admin.ts';
import { Claim } from './claim.ts';
import { Wifi } from './wifi.ts';

/** How often the file is looked at, in case somebody mends it by hand. */
const WATCH_MS = 1000;
/** The browser reads the last answer before the page goes. */
const FAREWELL_MS = 300;
const DEFAULT_PORT = 8080;

export interface SetupOptions {
  /** Absolute path of gateway.yaml. */
  readonly file: string;
  /** Where to listen; default: what the broken file says, else loopback. */
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly nmcli?: string | undefined;
  /** Why a configuration that is valid could not start. */
  readonly failure?: GatewayError | undefined;
  readonly clock: Clock;
  readonly log: Log;
  models(): LoadOptions['models'];
  /** Called once the page can be opened. */
  ready(where: { readonly url: string; readonly code: string; readonly codeFile: string }): void;
}

/** File name beside gateway.yaml. */
const CODE_FILE = 'setup-code';

/**
 * Serves the first-run page until a valid configuration is in place, or `signal` is aborted. Answers whether there is one.
 * @throws GatewayError HTTP_LISTEN
 */
export async function runSetup(options: SetupOptions, signal: AbortSignal): Promise<boolean> {
  const { file, clock, log } = options;
  const written = lookAt(file);
  const codeFile = join(dirname(file), CODE_FILE);
  const claim = new Claim(codeFile, clock);
  const access = createAccess({
    config: { auth: { anonymous: false }, streams: [] },
    dataDir: written.dataDir,
    clock,
    log,
  });
  const { promise, resolve: settle } = Promise.withResolvers<boolean>();
  const admin = createSetupAdmin({
    file,
    version: version(),
    claim,
    wifi: new Wifi(options.nmcli),
    clock,
    access,
    failure: options.failure ?? null,
    models: () => options.models(),
    port: () => Number(new URL(server.url).port),
    done: () => settle(true),
  });
  const server = createSetupServer({
    host: options.host ?? written.host,
    port: options.port ?? written.port,
    version: version(),
    setup: admin,
    access: {
      ...access,
      bearer: async (token, peer) =>
        claim.holds(token) ? { name: 'claim', role: 'admin' } : await access.bearer(token, peer),
      // Nothing is open before it is set up.
      openTo: () => false,
    },
    log,
  });
  const seen = readSettings(file)?.etag;
  const watch = (): void => {
    const now = readSettings(file);
    if (now && now.etag !== seen && checkText(now.text, file, options.models()).config) settle(true);
    cancel = clock.after(WATCH_MS, watch);
  };
  let cancel = clock.after(WATCH_MS, watch);
  signal.addEventListener('abort', () => settle(false), { once: true });
  try {
    await admin.available();
    await access.start(signal);
    await server.start();
    options.ready({ url: server.url, code: claim.text, codeFile });
    const done = signal.aborted ? false : await promise;
    if (done) {
      claim.forget();
      await new Promise<void>((later) => clock.after(FAREWELL_MS, later));
    }
    return done;
  } finally {
    cancel();
    await server.stop();
    await access.stop();
  }
}

/** As much as a broken file tells: where to listen, and where logins are kept. */
function lookAt(file: string): { readonly host: string; readonly port: number; readonly dataDir: string } {
  const { at } = readYaml(readSettings(file)?.text ?? '', file);
  const host = at(['listen', 'host']);
  const port = at(['listen', 'http', 'port']);
  const dataDir = at(['gateway', 'dataDir']);
  return {
    host: typeof host === 'string' ? host : '127.0.0.1',
    port:
      typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536 ? port : DEFAULT_PORT,
    dataDir: resolve(dirname(file), typeof dataDir === 'string' ? dataDir : './data'),
  };
}
