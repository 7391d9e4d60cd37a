import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from './tmp.ts';
import { until } from './until.ts';

/** Where Debian installs the broker; null (with a plain message) when it is absent. */
export function mosquittoPath(): string | null {
  for (const path of ['mosquitto', '/usr/sbin/mosquitto']) {
    if (spawnSync(path, ['-h']).error === undefined) return path;
  }
  console.warn('skipped: mosquitto is not installed (apt-get install mosquitto)');
  return null;
}

export interface Mosquitto {
  readonly port: number;
  kill(signal: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
}

/** A Mosquitto of the test's own, anonymous, on a free port that it keeps over restarts. */
export async function startMosquitto(path: string): Promise<Mosquitto> {
  const port = await freePort();
  const file = join(temporaryFolder(), 'mosquitto.conf');
  writeFileSync(
    file,
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 100000\n`,
  );
  let child: ChildProcess | undefined;
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    const old = child;
    child = undefined;
    if (!old) return;
    const gone = new Promise((resolve) => old.once('exit', resolve));
    old.kill(signal);
    await gone;
  };
  const start = async (): Promise<void> => {
    child = spawn(path, ['-c', file], { stdio: 'ignore' });
    await until(() => reachable(port), 'mosquitto');
  };
  onTestFinished(() => kill('SIGKILL'));
  await start();
  return { port, kill, start };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
