import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ChainProcess, spawnChain } from './process.ts';

/** The chain in JavaScript, in a child process, with its transactions in `dir`. */
export function ethereumjsProcess(dir: string, port: number, chainId: number): Promise<ChainProcess> {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const script = fileURLToPath(new URL(`./ethereumjs${extension}`, import.meta.url));
  const args = [script, String(port), String(chainId), join(dir, 'ethereumjs.log')];
  return spawnChain('ethereumjs', process.execPath, args, port, chainId);
}
