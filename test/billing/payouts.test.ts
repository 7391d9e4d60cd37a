import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Contract, EventLog } from 'ethers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { anvilBinary } from '../../adapters/devchain/anvil.ts';
import { rotateKey } from '../../gateway/billing/keys/rotation.ts';
import { sharedChain, testChain } from '../contracts-evm/chain.ts';
import { DAY } from '../contracts-evm/channel.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { type ChannelRig, channelRig, PRICE, seen, TOKEN } from './channel-rig.ts';

describe('collecting what customers owe', () => {
  const chain = sharedChain(anvilBinary() ? 'anvil' : 'ethereumjs');

  async function opened(deposit: bigint, config: Record<string, unknown> = {}): Promise<ChannelRig> {
    const rig = await channelRig(chain(), temporaryFolder(), { batch: { idle: '1ms' }, ...config });
    onTestFinished(() => rig.desk.crash());
    await rig.world.deposit(deposit);
    await seen(rig, deposit);
    return rig;
  }

  const serve = async (rig: ChannelRig, count: number): Promise<void> => {
    const max = BigInt(rig.state().newest.cumulative) + BigInt(count) * PRICE;
    await rig.desk.billing.channels.take(rig.id, 'ceiling', await rig.ceiling(max), 'consumer/c');
    const from = Number(rig.state().newest.seq);
    const asked = await Promise.all(Array.from({ length: count }, (_, i) => rig.ask(`r-${from + i}`)));
    expect(asked.map(({ status }) => status)).toEqual(asked.map(() => 200));
  };
  const acknowledge = async (rig: ChannelRig): Promise<void> => {
    const { seq, cumulative, receiptHash } = rig.state().newest;
    const ack = await rig.ack({ seq: Number(seq), cumulative: BigInt(cumulative), receiptHash });
    await rig.desk.billing.channels.take(rig.id, 'ack', ack, 'consumer/c');
  };
  const earned = (rig: ChannelRig) => rig.world.balance(rig.world.provider);
  const state = (rig: ChannelRig) => rig.world.ledger.channelOf!(rig.id) as Promise<Record<string, bigint>>;

  test('settles what is acknowledged, claims the rest when the payer leaves, and releases it', async () => {
    const rig = await opened(TOKEN);
    const before = await earned(rig);
    await serve(rig, 5);
    await acknowledge(rig);
    await until(async () => (await earned(rig)) === before + 5n * PRICE, 'the payment');
    await serve(rig, 3);
    await until(() => rig.state().head?.seq === '8', 'a head');
    // The payer takes everything back and acknowledges no more: what was served is claimed at once.
    const { ledger, payer, terms } = rig.world;
    await chain().send(ledger, payer, 'thaw', terms, TOKEN);
    await until(async () => (await state(rig)).held === 8n * PRICE, 'the claim');
    expect((await rig.ask('late')).code).toBe('CHANNEL_THAWING');
    await chain().advance(DAY + 1);
    await until(async () => (await earned(rig)) === before + 8n * PRICE, 'the release');
    await until(() => rig.state().deposit.paid === String(8n * PRICE), 'it to be seen');
    const head = (await ledger.headOf!(rig.world.device.address)) as { toSeq: bigint };
    expect(head.toSeq).toBe(8n);
  });

  test('a short escrow pays what is there, and the rest when there is more', async () => {
    const rig = await opened(4n * PRICE);
    const before = await earned(rig);
    await serve(rig, 4);
    expect((await rig.ask('more', { ceiling: await rig.ceiling(9n * PRICE) })).code).toBe('CHANNEL_DEPOSIT');
    await acknowledge(rig);
    await until(async () => (await earned(rig)) === before + 4n * PRICE, 'all that is there');
    await rig.world.deposit(PRICE);
    await seen(rig, 5n * PRICE);
    expect((await rig.ask('more-2')).status).toBe(200);
    await acknowledge(rig);
    await until(async () => (await earned(rig)) === before + 5n * PRICE, 'the rest');
  });

  test('fees are weighed: small amounts wait, larger ones go', async () => {
    const fees = { coinPrice: '1', share: 0.01 };
    const rig = await opened(TOKEN, { fees, batch: {} });
    await serve(rig, 1);
    await acknowledge(rig);
    const before = await earned(rig);
    const views = rig.desk.billing.stats();
    await until(() => rig.desk.billing.stats().headsSigned > views.headsSigned, 'a round');
    expect(await earned(rig)).toBe(before);
    await serve(rig, 300);
    await acknowledge(rig);
    await until(async () => (await earned(rig)) === before + 301n * PRICE, 'the payment');
  });

  test('a new device key loses nothing: the old one goes on collecting what is owed to it', async () => {
    const dir = temporaryFolder();
    const rig = await channelRig(chain(), dir, { batch: { idle: '1ms' } });
    onTestFinished(() => rig.desk.crash());
    await rig.world.deposit(TOKEN);
    await seen(rig, TOKEN);
    const before = await earned(rig);
    await serve(rig, 3);
    await rig.desk.crash();
    const keys = {
      keystore: join(dir, 'keys', 'device.json'),
      passphraseFile: join(dir, 'keys', 'passphrase'),
    };
    const rotated = await rotateKey(keys);
    expect(rotated.before).toBe(rig.world.device.address.toLowerCase());
    expect(statSync(rotated.kept).mode & 0o777).toBe(0o400);
    await rig.reopen();
    expect(rig.desk.billing.stats().device).toBe(rotated.after);
    expect(rig.desk.billing.channels.tariff()).toMatchObject({ channel: { device: rotated.after } });
    expect((await rig.ask('late')).code).toBe('CHANNEL_RETIRED');
    await acknowledge(rig);
    await until(async () => (await earned(rig)) === before + 3n * PRICE, 'the payment');
    const head = (await rig.world.ledger.headOf!(rotated.before)) as { toSeq: bigint };
    expect(head.toSeq).toBe(3n);
  });

  test('other chains get the head of the home ledger, each once, also over a restart', async () => {
    const other = await testChain('ethereumjs');
    const device = await other.account('device');
    // Another address than at home, which differs by its chain id elsewhere.
    await other.deploy('AIMX', device, device.address);
    const ledger = await other.deploy('EdgeLedger', device, device.address);
    const { rpcUrl, chainId } = other.devchain;
    const anchor = { rpcUrl, chainId, ledger: await ledger.getAddress(), confirmations: 0, every: '1ms' };
    const rig = await opened(TOKEN, { anchors: [anchor] });
    const posted = async (contract: Contract) => {
      const { head, toSeq } = (await contract.headOf!(device.address)) as { head: string; toSeq: bigint };
      return { head, toSeq: Number(toSeq) };
    };
    const both = async (count: number): Promise<void> => {
      await until(async () => (await posted(rig.world.ledger)).toSeq === count, 'the post at home');
      await until(async () => (await posted(ledger)).toSeq === count, 'the anchor');
      const [event] = (await ledger.queryFilter('BatchPosted')).slice(-1) as EventLog[];
      expect(event!.args.root).toBe((await posted(rig.world.ledger)).head);
    };
    await serve(rig, 2);
    await both(2);
    await rig.desk.crash();
    await rig.reopen();
    await serve(rig, 3);
    await both(5);
    expect((await ledger.queryFilter('BatchPosted')).map((event) => (event as EventLog).args.toSeq)).toEqual(
      expect.arrayContaining([2n, 5n]),
    );
  });
});
