import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { MqttSocket } from '../../support/mqtt-socket.ts';
import { temporaryFolder } from '../../support/tmp.ts';

export interface KillableBroker {
  readonly address: string;
  /** Seq of the newest reading in the journal when this run began. */
  readonly head: number;
  connect(options?: Record<string, unknown>): Promise<MqttSocket>;
  /** SIGKILL, then a new process on the same folder. */
  killAndRestart(): Promise<void>;
}

/** A broker with the real store in its own process. */
export async function killableBroker(): Promise<KillableBroker> {
  const folder = temporaryFolder();
  const script = new URL('./broker-process.ts', import.meta.url).pathname;
  let child: ChildProcess;
  let state = { address: '', head: 0 };
  const clients: MqttSocket[] = [];

  const spawnBroker = async (port: string): Promise<void> => {
    child = spawn(process.execPath, [script, folder, port], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout! });
    const [line] = (await Promise.race([once(lines, 'line'), once(child, 'exit')])) as [string];
    if (typeof line !== 'string') throw new Error('the broker process ended before it listened');
    state = JSON.parse(line) as typeof state;
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  await spawnBroker('0');
  onTestFinished(async () => {
    for (const client of clients) client.end();
    await kill();
  });
  return {
    get address() {
      return state.address;
    },
    get head() {
      return state.head;
    },
    async connect(options) {
      const client = await MqttSocket.connect(state.address, options);
      clients.push(client);
      return client;
    },
    async killAndRestart() {
      await kill();
      await spawnBroker(new URL(state.address).port);
    },
  };
}
