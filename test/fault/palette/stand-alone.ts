import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../support/gateway-process.ts';
import { until } from '../../support/until.ts';

/** The package as it would be published. */
export interface Packed {
  readonly file: string;
  readonly bytes: number;
}

/** `npm pack` of the palette into a folder. */
export function pack(folder: string): Packed {
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: join(ROOT, 'flows/palette'),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const name = readdirSync(folder).find((file) => file.endsWith('.tgz'))!;
  const file = join(folder, name);
  return { file, bytes: statSync(file).size };
}

/**
 * Unpacks the package where Node-RED's user has installed it. Its one dependency comes from this checkout, so that
 * nothing is asked of a registry.
 */
export function install(packed: Packed, userDir: string): void {
  const modules = join(userDir, 'node_modules');
  mkdirSync(join(modules, '@aimx'), { recursive: true });
  execFileSync('tar', ['-xzf', packed.file, '-C', userDir]);
  cpSync(join(userDir, 'package'), join(modules, '@aimx/node-red-gateway'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules/mqtt'), join(modules, 'mqtt'));
  writeFileSync(
    join(userDir, 'package.json'),
    JSON.stringify({ name: 'flows', dependencies: { '@aimx/node-red-gateway': `file:${packed.file}` } }),
  );
}

export interface StandAlone {
  readonly url: string;
  readonly pid: number;
  log(): string;
  get<T>(path: string): Promise<T>;
  deploy(flows: readonly object[]): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Node-RED as people start it, in a process of its own, with an editor that asks nobody who he is: the one of this
 * checkout, or what the environment names (`NODE_RED=…/red.js`, `NODE=…`).
 */
export async function startStandAlone(userDir: string, port: number): Promise<StandAlone> {
  const settings = join(userDir, 'settings.js');
  writeFileSync(
    settings,
    `module.exports = ${JSON.stringify({
      uiHost: '127.0.0.1',
      uiPort: port,
      flowFile: 'flows.json',
      credentialSecret: 'of a test',
      telemetry: { enabled: false, updateNotification: false },
      editorTheme: { tours: false },
    })};\n`,
  );
  const { NODE = process.execPath, NODE_RED = join(ROOT, 'node_modules/node-red/red.js') } = process.env;
  const child: ChildProcess = spawn(NODE, [NODE_RED, '--userDir', userDir, '--settings', settings], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (part: Buffer) => {
      log = (log + part.toString()).slice(-262_144);
    });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const answer = await fetch(url + path, {
      ...init,
      headers: { accept: 'application/json', 'content-type': 'application/json', ...init.headers },
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  await until(
    () => {
      if (child.exitCode !== null) throw new Error(`Node-RED ended\n${log}`);
      return /Started flows|Server now running/.test(log);
    },
    'Node-RED to start',
    60_000,
  );
  return {
    url,
    pid: child.pid!,
    log: () => log,
    get: async <T>(path: string) => (await (await ask(path)).json()) as T,
    async deploy(flows) {
      await ask('/flows', {
        method: 'POST',
        body: JSON.stringify(flows),
        headers: { 'Node-RED-Deployment-Type': 'full' },
      });
    },
    async stop() {
      child.kill('SIGTERM');
      const hard = setTimeout(() => child.kill('SIGKILL'), 20_000);
      await gone;
      clearTimeout(hard);
    },
  };
}
