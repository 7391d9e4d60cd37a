import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../../gateway/errors.ts';
import { JsonRpc } from '../evm/rpc.ts';

/** A running chain: a child process that serves JSON-RPC on loopback. */
export interface ChainProcess {
  readonly engine: 'anvil' | 'ethereumjs';
  readonly pid: number;
  stop(): Promise<void>;
}

const READY_MS = 15_000;
const STOP_MS = 5_000;
/** The end of what the child said, kept for the error message. */
const KEPT_OUTPUT = 2_000;

/** Starts a chain and waits until it answers. Rejects with DEVCHAIN_START and what the child said. */
export async function spawnChain(
  engine: ChainProcess['engine'],
  command: string,
  args: readonly string[],
  port: number,
  chainId: number,
): Promise<ChainProcess> {
  // A group of its own: Ctrl-C in a terminal reaches only the gateway, which stops the chain when it needs it no more.
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  endWithThisProcess(child);
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString('utf8')).slice(-KEPT_OUTPUT);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  const rpc = new JsonRpc(`http://127.0.0.1:${port}`, 1_000);
  try {
    for (const end = performance.now() + READY_MS; performance.now() < end && running(child) && !failure; ) {
      if (await answers(rpc, chainId)) {
        if (!running(child)) break; // somebody else answers on this port
        return { engine, pid: child.pid!, stop: () => endChild(child) };
      }
      await sleep(20);
    }
  } finally {
    rpc.close();
  }
  await endChild(child);
  const said = failure?.message ?? (output.trim() || 'it said nothing');
  throw new GatewayError(
    'DEVCHAIN_START',
    `The dev chain (${engine}) did not start on port ${port}: ${said}`,
  );
}

async function answers(rpc: JsonRpc, chainId: number): Promise<boolean> {
  try {
    return Number(await rpc.call('eth_chainId')) === chainId;
  } catch {
    return false; // not listening yet; the caller gives up in time
  }
}

/**
 * Ends the child when this process is gone, however it went: a shell waits for the end of a pipe that only this process
 * holds open. Where there is no shell a killed gateway leaves its development chain behind.
 */
function endWithThisProcess(child: ChildProcess): void {
  if (process.platform === 'win32' || child.pid === undefined) return;
  const script = 'read -r line; kill -TERM "$1"';
  const guard = spawn('/bin/sh', ['-c', script, 'sh', String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.on('error', () => {}); // no shell: said above
  child.once('exit', () => guard.kill('SIGKILL'));
}

const running = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;

async function endChild(child: ChildProcess): Promise<void> {
  if (!running(child) || child.pid === undefined) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const hard = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await gone;
  clearTimeout(hard);
}
