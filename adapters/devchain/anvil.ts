import { existsSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Log } from '../../gateway/ports/log.ts';
import { type ChainProcess, spawnChain } from './process.ts';

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** Path of the anvil binary inside the npm package for this platform; undefined when there is none. */
export function anvilBinary(): string | undefined {
  const name = `@foundry-rs/anvil-${process.platform}-${ARCHITECTURES[process.arch] ?? process.arch}`;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const binary = join(dirname(manifest), 'bin', process.platform === 'win32' ? 'anvil.exe' : 'anvil');
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined; // an optional dependency that this platform does not have
  }
}

/**
 * Anvil with its state in `dir`, written every five seconds and at the end: a killed chain comes back a few blocks
 * shorter, which is one of the faults that the poster must stand. A state file that anvil cannot read is put aside.
 */
export async function anvilProcess(
  binary: string,
  dir: string,
  port: number,
  chainId: number,
  log: Log,
): Promise<ChainProcess> {
  const state = join(dir, 'anvil.json');
  // With no slots in an epoch the newest block is the finalized one: nothing reorganises a private chain.
  const args = `--host 127.0.0.1 --port ${port} --chain-id ${chainId} --accounts 1 --silent --slots-in-an-epoch 0 --state-interval 5 --state`;
  const start = () => spawnChain('anvil', binary, [...args.split(' '), state], port, chainId);
  try {
    return await start();
  } catch (error) {
    if (!existsSync(state)) throw error;
    const aside = `${state}.unreadable`;
    renameSync(state, aside);
    log.warn(
      { aside, reason: String(error) },
      'devchain: did not start with its state, starting a new chain',
    );
    return start();
  }
}
