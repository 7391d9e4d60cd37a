import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { anvilBinary } from '../../../adapters/devchain/anvil.ts';
import { startDevChain } from '../../../adapters/devchain/index.ts';
import { createEvmChain } from '../../../adapters/evm/index.ts';
import { JsonRpc } from '../../../adapters/evm/rpc.ts';
import { keccak } from '../../../gateway/billing/formats/bytes.ts';
import { deviceSigner } from '../../../gateway/billing/keys/device-key.ts';
import { recordingLog } from '../../support/log.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { until } from '../../support/until.ts';

const device = deviceSigner(keccak(Buffer.from('a device')));

async function start(dir: string, engine: 'anvil' | 'ethereumjs', port = 0) {
  const log = recordingLog();
  const devchain = await startDevChain({ dir, port, log, engine });
  onTestFinished(() => devchain.stop());
  const { rpcUrl, chainId, addresses } = devchain;
  const chain = createEvmChain({ rpcUrl, chainId, ledger: addresses.ledger, confirmations: 0 });
  onTestFinished(() => chain.close());
  const look = async () => {
    const answer = await chain.view(device.address);
    if (!answer.ok) throw new Error(answer.reason);
    return answer.value;
  };
  return { devchain, chain, look, log };
}

describe.each(['anvil', 'ethereumjs'] as const)('%s', (engine) => {
  test.skipIf(engine === 'anvil' && !anvilBinary())(
    'comes back as it was, with the same addresses',
    async () => {
      const dir = temporaryFolder();
      const first = await start(dir, engine);
      await first.devchain.fund(device.address);
      const post = { prevHead: new Uint8Array(32), root: new Uint8Array(32).fill(1), toSeq: 3, total: 30n };
      const before = await first.look();
      const terms = { nonce: 0, maxFee: before.baseFee * 2n + 1n, tip: 1n };
      const { raw, hash } = first.chain.signPost(post, terms, device);
      expect(await first.chain.broadcast(raw)).toEqual({ ok: true, value: 'sent' });
      expect(await first.chain.outcome(hash)).toMatchObject({
        ok: true,
        value: { succeeded: true, gasUsed: expect.any(Number) },
      });
      const again = await first.chain.broadcast(raw);
      expect(again.ok || again.code === 'nonce').toBe(true);
      const after = await first.look();
      expect(after).toMatchObject({ nonce: 1, head: { toSeq: 3, batches: 1, total: 30n } });
      await first.devchain.stop();

      const second = await start(dir, engine);
      expect(second.devchain.addresses).toEqual(first.devchain.addresses);
      expect((await second.look()).head).toEqual(after.head);
      const elsewhere = await start(temporaryFolder(), engine);
      expect(elsewhere.devchain.addresses).toEqual(first.devchain.addresses);
    },
  );

  test.skipIf(engine === 'anvil' && !anvilBinary())('says why it cannot start on a busy port', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await expect(start(temporaryFolder(), engine, port)).rejects.toMatchObject({
      code: 'DEVCHAIN_START',
      message: expect.stringMatching(/in use|EADDRINUSE/i),
    });
  });

  test.skipIf(engine === 'anvil' && !anvilBinary())('listens on loopback only', async () => {
    const { devchain } = await start(temporaryFolder(), engine);
    expect(devchain.rpcUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const rpc = new JsonRpc(devchain.rpcUrl);
    onTestFinished(() => rpc.close());
    expect(await rpc.call('eth_chainId')).toBe('0x7a69');
    await expect(rpc.call('no_suchMethod')).rejects.toThrow();
  });
});

test.skipIf(!anvilBinary())('ends with a gateway that is killed', async () => {
  const module = new URL('../../../adapters/devchain/index.ts', import.meta.url).href;
  const script = `
    const { startDevChain } = await import(${JSON.stringify(module)});
    const log = { info() {}, warn() {} };
    const { rpcUrl } = await startDevChain({ dir: ${JSON.stringify(temporaryFolder())}, port: 0, log });
    console.log(rpcUrl);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  const url = chunk.toString().trim();
  const answers = () =>
    fetch(url).then(
      () => true,
      () => false,
    );
  expect(await answers()).toBe(true);
  child.kill('SIGKILL');
  await until(async () => !(await answers()), 'no chain without its gateway');
});

test.skipIf(!anvilBinary())('puts a state file aside that anvil cannot read', async () => {
  const dir = temporaryFolder();
  writeFileSync(join(dir, 'anvil.json'), '{"block": tru');
  const { look, log } = await start(dir, 'anvil');
  expect((await look()).head.toSeq).toBe(0);
  expect(existsSync(join(dir, 'anvil.json.unreadable'))).toBe(true);
  expect(log.lines.some((line) => line.level === 'warn')).toBe(true);
});
