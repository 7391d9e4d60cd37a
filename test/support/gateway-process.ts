import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { readLocalApi } from '../../gateway/security/index.ts';

/** Repository root: tests run with it as working directory. */
export const ROOT = resolve(import.meta.dirname, '../..');

export interface GatewayPorts {
  readonly mqtt: number;
  readonly coap: number;
  readonly http: number;
}

export interface GatewayProcess {
  readonly folder: string;
  readonly ports: GatewayPorts;
  readonly pid: number;
  /** Milliseconds from spawn to ready. */
  readonly readyMs: number;
  /** Standard error so far, the newest 64 KiB. */
  log(): string;
  /** GET of the API as parsed JSON, with the local token. */
  api<T>(path: string): Promise<T>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

/** Ports that were free a moment ago on loopback. */
export async function freePorts(): Promise<GatewayPorts> {
  const servers = await Promise.all(
    [0, 1, 2].map(
      () =>
        new Promise<ReturnType<typeof createServer>>((done) => {
          const server = createServer();
          server.listen(0, '127.0.0.1', () => done(server));
        }),
    ),
  );
  const [mqtt, coap, http] = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return { mqtt: mqtt!, coap: coap!, http: http! };
}

/** Writes `<folder>/gateway.yaml` with the ports filled in. */
export function writeConfig(folder: string, ports: GatewayPorts, config: Record<string, unknown>): string {
  const file = join(folder, 'gateway.yaml');
  const listen = {
    mqtt: { port: ports.mqtt },
    coap: { port: ports.coap },
    http: { port: ports.http },
  };
  writeFileSync(file, stringify({ listen, auth: { anonymous: true }, ...config }));
  return file;
}

/** Runs `aimx-gateway start` on the configuration in `folder` and waits until it is ready. */
export async function startGatewayProcess(
  folder: string,
  ports: GatewayPorts,
  options: { env?: Record<string, string>; timeoutMs?: number; signal?: AbortSignal; entry?: string } = {},
): Promise<GatewayProcess> {
  const begun = performance.now();
  const child = spawn(
    process.execPath,
    [
      options.entry ?? join(ROOT, 'gateway/main.ts'),
      'start',
      '--json',
      '--config',
      join(folder, 'gateway.yaml'),
    ],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } },
  );
  let errors = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-65_536);
  });
  const gone = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
  const readyMs = await ready(child, gone, () => errors, begun, options.timeoutMs ?? 20_000);
  return {
    folder,
    ports,
    pid: child.pid!,
    readyMs,
    log: () => errors,
    async api<T>(path: string): Promise<T> {
      const response = await fetch(`http://127.0.0.1:${ports.http}${path}`, {
        headers: { authorization: `Bearer ${readLocalApi(join(folder, 'data'))?.token}` },
      });
      if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    },
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
    async stop() {
      child.kill('SIGTERM');
      return await gone;
    },
  };
}

export interface CommandEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of the gateway to its end; killed after `timeoutMs`. */
export function runCommand(
  words: readonly string[],
  folder: string,
  options: { env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<CommandEnd> {
  return new Promise((done) => {
    const child = execFile(
      process.execPath,
      [join(ROOT, 'gateway/main.ts'), ...words],
      { cwd: folder, timeout: options.timeoutMs ?? 30_000, env: { ...process.env, ...options.env } },
      (_error, stdout, stderr) => done({ code: child.exitCode, stdout, stderr }),
    );
  });
}

/** Milliseconds from spawn until the line that says it is ready. */
async function ready(
  child: ChildProcess,
  gone: Promise<number | null>,
  errors: () => string,
  begun: number,
  timeoutMs: number,
): Promise<number> {
  let output = '';
  const line = new Promise<void>((done) => {
    child.stdout!.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-65_536);
      if (output.includes('"event":"ready"')) done();
    });
  });
  const timer = AbortSignal.timeout(timeoutMs);
  const late = new Promise<never>((_, fail) => {
    timer.addEventListener('abort', () => fail(new Error(`not ready after ${timeoutMs} ms\n${errors()}`)));
  });
  const early = gone.then((code) => {
    throw new Error(`the gateway ended with code ${code} before it was ready\n${output}\n${errors()}`);
  });
  // The losers of the race may fail later, when the gateway is stopped on purpose.
  late.catch(() => undefined);
  early.catch(() => undefined);
  await Promise.race([line, early, late]);
  return performance.now() - begun;
}
