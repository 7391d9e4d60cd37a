import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { HostUser } from './host-user.ts';

const HOST = import.meta.url.endsWith('.ts') ? '../../flows/host/main.ts' : '../../flows/host/main.js';
/** The file that the process runs. */
export const HOST_PROGRAM = fileURLToPath(new URL(HOST, import.meta.url));

/** What the host needs of the environment; the rest, which may hold secrets, stays here. */
const PASSED_ON = ['PATH', 'LANG', 'LC_ALL', 'TZ', 'NODE_EXTRA_CA_CERTS'] as const;

/**
 * Of 19, the lowest. While it loads, a third of the data path's share where both want the processor; once flows run, a
 * thirtieth, but never nothing.
 */
const LOADING = 5;
const RUNNING = 15;
/** One V8 helper thread: collecting the garbage of flows must not take all cores. */
const NODE_FLAGS = ['--max-semi-space-size=4', '--v8-pool-size=1'];

/** Where memory runs out, the kernel takes the flows and not the core. */
const EXPENDABLE = 'echo 800 >/proc/self/oom_score_adj 2>/dev/null; exec "$@"';

/**
 * Starts the flows host. Its standard streams go nowhere but for errors, which V8 writes when it gives up: a flow may write
 * without end. On descriptors 3 and 4 it talks to us. It yields the processor to the data path.
 */
export function spawnFlowsHost(heapMiB: number, home: string, user: HostUser | undefined): ChildProcess {
  const command = [process.execPath, `--max-old-space-size=${heapMiB}`, ...NODE_FLAGS, HOST_PROGRAM];
  const options: SpawnOptions = {
    cwd: home,
    env: environment(home),
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    ...(user ? { uid: user.uid, gid: user.gid } : {}),
  };
  const child =
    process.platform === 'linux'
      ? spawn('/bin/sh', ['-c', EXPENDABLE, 'flows', ...command], options)
      : spawn(command[0]!, command.slice(1), options);
  if (child.pid !== undefined) setPriority(child.pid, LOADING);
  return child;
}

/**
 * From now on flows run: lowers the thread they run in, and what they start. The thread that watches keeps its priority, and
 * so tells a flow that takes all from a machine that gives nothing.
 */
export function yieldProcessor(pid: number): void {
  try {
    setPriority(pid, RUNNING);
  } catch (error) {
    // It has just ended, which others notice.
    if (!(error instanceof Error) || !error.message.includes('ESRCH')) throw error;
  }
}

function environment(home: string): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { HOME: home, NODE_ENV: 'production', NODE_RED_HOME: home };
  for (const name of PASSED_ON) if (process.env[name] !== undefined) env[name] = process.env[name];
  return env;
}
