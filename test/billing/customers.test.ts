import { hash } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { anvilBinary } from '../../adapters/devchain/anvil.ts';
import { keccak, toHex, utf8 } from '../../gateway/billing/formats/bytes.ts';
import { canonicalJson } from '../../gateway/billing/formats/canonical-json.ts';
import { receiptHash, separatorOf } from '../../gateway/billing/formats/documents.ts';
import { readReceipt, withoutReceipt } from '../../gateway/billing/formats/wire.ts';
import { ioHash } from '../../gateway/billing/metering/measure.ts';
import { sharedChain } from '../contracts-evm/chain.ts';
import { DAY } from '../contracts-evm/channel.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { type ChannelRig, channelRig, PRICE, seen, TOKEN } from './channel-rig.ts';

describe('a channel with a customer', () => {
  const chain = sharedChain(anvilBinary() ? 'anvil' : 'ethereumjs');

  async function opened(config: Record<string, unknown> = {}): Promise<ChannelRig> {
    const rig = await channelRig(chain(), temporaryFolder(), config);
    onTestFinished(() => rig.desk.crash());
    await rig.world.deposit(TOKEN);
    await seen(rig, TOKEN);
    return rig;
  }

  test('answers carry receipts that the payer can check to the last hash', async () => {
    const rig = await opened();
    expect(await rig.ask('r-0')).toMatchObject({ status: 402, code: 'CHANNEL_CEILING' });
    const first = await rig.ask('r-1', { ceiling: await rig.ceiling(100n * PRICE) });
    expect(first.status).toBe(200);
    const second = await rig.ask('r-2');
    const separator = separatorOf({
      chainId: chain().devchain.chainId,
      address: ((await rig.world.ledger.getAddress()) as string).toLowerCase(),
    });
    let prev = new Uint8Array(32);
    for (const [index, { receipt, body, request }] of [first, second].entries()) {
      const evidence = readReceipt(receipt);
      const { receipt: r } = evidence;
      expect(toHex(receiptHash(separator, r))).toBe(toHex(evidence.hash));
      expect([r.seq, r.amount, r.cumulative]).toEqual([index + 1, PRICE, PRICE * BigInt(index + 1)]);
      expect(toHex(r.prevHash)).toBe(toHex(prev));
      const sha = (bytes: Uint8Array) => hash('sha256', bytes, 'buffer');
      expect(toHex(ioHash(evidence.salt, sha(request), sha(withoutReceipt(body))))).toBe(toHex(r.ioHash));
      expect(toHex(keccak(utf8(canonicalJson({ ...evidence.usage }))))).toBe(toHex(r.usageHash));
      expect(toHex(keccak(utf8(canonicalJson({ ...evidence.model }))))).toBe(toHex(r.modelHash));
      expect(evidence.usage.byte_out).toBe(withoutReceipt(body).length);
      prev = new Uint8Array(evidence.hash);
    }
    // The same request again: the same answer, and nothing more is billed.
    expect(Buffer.from((await rig.ask('r-2')).body).equals(Buffer.from(second.body))).toBe(true);
    await until(() => rig.state().head?.seq === '2', 'a signed head');
    const third = await rig.ask('r-3');
    expect(readReceipt(third.receipt).head?.seq).toBe(2);
    const stored = (await rig.desk.billing.channels.receipts(rig.id, 1, 10)) as Record<string, string>[];
    expect(stored.map(({ hash: h }) => h)).toEqual(
      [first, second, third].map(({ receipt }) => receipt!.hash),
    );
    const { head: _, ...plain } = third.receipt as Record<string, unknown>;
    expect(stored[2]).toEqual(plain);
  });

  test('requests at once never overrun the ceiling, and go on under a higher one', async () => {
    const rig = await opened();
    const ceiling = await rig.ceiling(7n * PRICE);
    await rig.desk.billing.channels.take(rig.id, 'ceiling', ceiling, 'consumer/c');
    const asked = await Promise.all(Array.from({ length: 30 }, (_, i) => rig.ask(`n-${i}`)));
    expect(asked.filter(({ status }) => status === 200)).toHaveLength(7);
    expect(new Set(asked.filter((a) => a.status !== 200).map((a) => a.code))).toEqual(
      new Set(['CHANNEL_CEILING']),
    );
    expect(rig.state()).toMatchObject({ state: 'stopped', newest: { seq: '7' } });
    await until(() => rig.desk.alarms.active().some(({ kind }) => kind === 'channel-ceiling'), 'an alarm');
    const late = asked.findIndex(({ status }) => status !== 200);
    const again = await rig.ask(`n-${late}`);
    expect(again.code).toBe('CHANNEL_CEILING');
    await rig.desk.billing.channels.take(rig.id, 'ceiling', await rig.ceiling(8n * PRICE), 'consumer/c');
    expect((await rig.ask(`n-${late}`)).receipt?.seq).toBe('8');
  });

  test('a restart continues the chain of receipts', async () => {
    const rig = await opened();
    const ceiling = await rig.ceiling(100n * PRICE);
    const first = await rig.ask('a', { ceiling });
    await rig.desk.crash();
    await rig.reopen();
    const second = await rig.ask('b');
    expect(second.receipt).toMatchObject({ seq: '2', prevHash: first.receipt!.hash });
    expect((await rig.ask('a', { ceiling })).receipt).toEqual(first.receipt);
  });

  test('takes only what the payer has signed, from who holds it', async () => {
    const rig = await opened();
    const { channels } = rig.desk.billing;
    const take = (kind: 'ceiling' | 'ack', document: object, account = 'consumer/c') =>
      channels.take(rig.id, kind, document, account);
    await expect(take('ceiling', await rig.ceiling(PRICE, { signer: 'payer' }))).rejects.toMatchObject({
      code: 'CHANNEL_SIGNER',
    });
    const ceiling = await rig.ceiling(5n * PRICE);
    await take('ceiling', ceiling);
    // Somebody else who has seen the ceiling cannot use it.
    await take('ceiling', ceiling, 'consumer/other');
    const other = await rig.desk.ask(
      {
        id: 'x',
        inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }],
        parameters: { channel: rig.id },
      },
      { account: 'consumer/other' },
    );
    expect(other).toMatchObject({ status: 403, code: 'CHANNEL_OWNER' });
    const { receipt } = await rig.ask('a');
    const told = { seq: 1, cumulative: PRICE, receiptHash: receipt!.hash! };
    await expect(take('ack', await rig.ack({ ...told, receiptHash: rig.id }))).rejects.toMatchObject({
      code: 'CHANNEL_DISAGREES',
    });
    await expect(take('ack', await rig.ack({ ...told, seq: 2 }))).rejects.toMatchObject({
      code: 'CHANNEL_DISAGREES',
    });
    await take('ack', await rig.ack(told));
    expect(rig.state().exposure).toMatchObject({ unacknowledged: '0', unpaid: String(PRICE) });
    await expect(channels.take(`0x${'11'.repeat(32)}`, 'ack', {}, 'c')).rejects.toMatchObject({
      code: 'CHANNEL_UNKNOWN',
    });
  });

  test('serves no more than the deposit, than is trusted, and than a withdrawal leaves', async () => {
    const rig = await opened({ exposure: { unacknowledged: '0.0002' } });
    const first = await rig.ask('1', { ceiling: await rig.ceiling(2n * TOKEN) });
    expect(first.status).toBe(200);
    expect((await rig.ask('2')).status).toBe(200);
    expect((await rig.ask('3')).code).toBe('CHANNEL_EXPOSURE');
    const { newest } = rig.state();
    const told = {
      seq: Number(newest.seq),
      cumulative: BigInt(newest.cumulative),
      receiptHash: newest.receiptHash,
    };
    expect((await rig.ask('4', { ack: await rig.ack(told) })).status).toBe(200);
    const { chain: c, ledger, payer, terms } = rig.world;
    await c.send(ledger, payer, 'thaw', terms, TOKEN - 3n * PRICE);
    await until(() => rig.state().deposit.thawing !== '0', 'the announcement to be seen');
    expect((await rig.ask('5')).code).toBe('CHANNEL_THAWING');
    await until(() => rig.desk.alarms.active().some(({ kind }) => kind === 'channel-thawing'), 'an alarm');
    await c.send(ledger, payer, 'thaw', terms, 0n);
    await until(() => rig.state().deposit.thawing === '0', 'it to be taken back');
    expect((await rig.ask('5')).status).toBe(200);
  });

  test('requests without a channel are refused where one is required', async () => {
    const rig = await opened({ require: 'channel' });
    const reply = await rig.desk.ask({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }] });
    expect(reply).toMatchObject({ status: 402, code: 'CHANNEL_REQUIRED' });
    expect((await rig.ask(undefined, { ceiling: await rig.ceiling(PRICE, { validFor: DAY }) })).status).toBe(
      200,
    );
    const expired = await rig.ceiling(2n * PRICE, { validFor: 60 });
    expect((await rig.ask('late', { ceiling: expired })).code).toBe('CHANNEL_EXPIRED');
  });
});
