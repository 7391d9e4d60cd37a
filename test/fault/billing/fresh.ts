import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { anvilBinary } from '../../../adapters/devchain/anvil.ts';
import { spawnChain } from '../../../adapters/devchain/process.ts';
import { deployContracts } from '../../../adapters/evm/deploy.ts';
import { JsonRpc } from '../../../adapters/evm/rpc.ts';
import { keccak } from '../../../gateway/billing/formats/bytes.ts';
import { deviceSigner } from '../../../gateway/billing/keys/device-key.ts';
import { percentile, type Row } from './row.ts';

const STARTS = 5;
const CHAIN_ID = 31337;

/** Row 15: the chain out of an npm package, in an empty folder. Medians of five starts. */
export const freshRow: Row = {
  number: 15,
  test: 'fresh machine, registries only',
  target: 'chain up ≤ 0.5 s, deployed ≤ 1 s, ≤ 60 MB',
  async run({ dir, say }) {
    const binary = anvilBinary();
    if (!binary) return { passed: false, measured: 'there is no anvil for this machine' };
    const [ups, deployments, memory]: [number[], number[], number[]] = [[], [], []];
    for (let i = 0; i < STARTS; i++) {
      const port = await freePort();
      const args = `--host 127.0.0.1 --port ${port} --chain-id ${CHAIN_ID} --accounts 1 --silent --state ${join(dir, `${i}.json`)}`;
      const began = performance.now();
      const chain = await spawnChain('anvil', binary, args.split(' '), port, CHAIN_ID);
      const rpcUrl = `http://127.0.0.1:${port}`;
      const rpc = new JsonRpc(rpcUrl);
      try {
        ups.push(performance.now() - began);
        const signer = deviceSigner(keccak(Buffer.from('fresh machine')));
        await rpc.call('anvil_setBalance', [signer.address, `0x${(10n ** 20n).toString(16)}`]);
        const before = performance.now();
        await deployContracts({ rpcUrl, chainId: CHAIN_ID, signer });
        deployments.push(performance.now() - before);
        const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${chain.pid}/status`, 'utf8'))?.[1];
        memory.push(Number(rss) / 1000);
      } finally {
        rpc.close();
        await chain.stop();
      }
      say(`start ${i + 1}: up ${ups[i]!.toFixed(0)} ms, deployed ${deployments[i]!.toFixed(0)} ms`);
    }
    const [up, deployed] = [percentile(ups, 0.5), percentile(deployments, 0.5)];
    const [rss, size] = [Math.max(...memory), sizeOf(dirname(dirname(binary))) / 1e6];
    return {
      passed: up <= 500 && deployed <= 1000 && size <= 60 && rss <= 60,
      measured: `up ${up.toFixed(0)} ms, token, ledger, directory and registry deployed ${deployed.toFixed(0)} ms, package ${size.toFixed(0)} MB, memory ${rss.toFixed(0)} MB`,
    };
  },
};

function sizeOf(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
