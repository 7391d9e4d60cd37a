import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { anvilBinary } from '../../adapters/devchain/anvil.ts';
import { createEvmEscrow } from '../../adapters/evm/escrow.ts';
import { fromHex } from '../../gateway/billing/formats/bytes.ts';
import { headDigest, separatorOf } from '../../gateway/billing/formats/documents.ts';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';
import { addChannel } from '../../gateway/payer/books/channels.ts';
import { findPayment, openPayments, transactionsOf } from '../../gateway/payer/books/payments.ts';
import { addHead } from '../../gateway/payer/books/receipts.ts';
import { topUp } from '../../gateway/payer/chain/top-up.ts';
import {
  Books,
  listIncidents,
  paymentRound,
  planDeposit,
  planPayment,
  readChannel,
  setLimit,
  watchChannel,
} from '../../gateway/payer/index.ts';
import { sharedChain, type TestChain, testChain } from '../contracts-evm/chain.ts';
import { setting } from '../contracts-evm/channel.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** A payer with books on a real chain, a channel that is not opened yet, and a clock of its own. */
async function world(chain: TestChain) {
  const w = await setting(chain);
  const ledger = ((await w.ledger.getAddress()) as string).toLowerCase();
  const { rpcUrl, chainId } = chain.devchain;
  const escrow = createEvmEscrow({ rpcUrl, chainId, ledger, confirmations: 0 });
  const signerOf = (name: 'payer' | 'device') => deviceSigner(fromHex(w[name].privateKey));
  const path = join(temporaryFolder(), 'payer.db');
  const id = fromHex(w.id);
  const clock = { at: Date.now() };
  const now = (): number => clock.at;
  let books = new Books(path);
  addChannel(books, { id, chainId, ledger, terms: w.terms, gateway: 'http://127.0.0.1:1' }, now());
  const parts = () => ({ books, escrow, wallet: signerOf('payer'), now, maxFee: 10n ** 12n });
  return {
    ...{ w, escrow, id, clock, parts, signerOf },
    books: () => books,
    reopen() {
      books.close();
      books = new Books(path);
    },
    /** Rounds until nothing is open. */
    async pay(): Promise<void> {
      for (let i = 0; i < 60 && openPayments(books).length > 0; i++) {
        await paymentRound(parts());
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(openPayments(books)).toEqual([]);
    },
    balance: async () => ((await w.ledger.channelOf!(w.id)) as { balance: bigint }).balance,
    head(seq: number, cumulative: bigint, text: string) {
      const head = { seq, cumulative, receiptHash: Buffer.from(text.padEnd(32, '.')) };
      const digest = headDigest(separatorOf({ chainId, address: ledger }), { channelId: id, ...head });
      return { ...head, signature: signerOf('device').sign(digest) };
    },
  };
}

describe('on a chain', () => {
  const chain = sharedChain(anvilBinary() ? 'anvil' : 'ethereumjs');

  test('a deposit is made once, with a permit or an approval, also by a payer that forgot that it was sent', async () => {
    const p = await world(chain());
    await chain().send(p.w.token, p.w.payer, 'approve', await p.w.ledger.getAddress(), 0);
    const permit = await planDeposit(p.parts(), p.id, 500n);
    await p.pay();
    expect(findPayment(p.books(), permit)).toMatchObject({
      state: 'FINAL',
      action: { kind: 'permit-deposit' },
    });
    const approved = await planDeposit(p.parts(), p.id, 70n, 'approve');
    await paymentRound(p.parts());
    p.reopen();
    await p.pay();
    expect(findPayment(p.books(), approved)).toMatchObject({ state: 'FINAL' });
    await paymentRound(p.parts());
    expect(await p.balance()).toBe(570n);
    expect(readChannel(p.books(), p.id)).toMatchObject({ balance: 570n, paid: 0n });
  });

  test('an escrow that runs out is filled, within limits and once at a time', async () => {
    const p = await world(chain());
    await planDeposit(p.parts(), p.id, 100n);
    await p.pay();
    const fill = async (): Promise<boolean> => {
      const looked = await p.escrow.look(p.id, p.w.terms);
      if (!looked.ok) throw new Error(looked.reason);
      return await topUp(p.parts(), p.id, looked.value, { amount: 60n, below: 150n });
    };
    setLimit(p.books(), 'total', '', 0n);
    expect(await fill()).toBe(false);
    setLimit(p.books(), 'total', '', 1000n);
    expect([await fill(), await fill()]).toEqual([true, false]);
    await p.pay();
    expect(await fill()).toBe(false);
    expect(await p.balance()).toBe(160n);
  });

  test('a payment that cannot work costs no gas and is told', async () => {
    const p = await world(chain());
    const tokens = (await p.w.balance(p.w.payer)) + 1n;
    const key = await planDeposit(p.parts(), p.id, tokens);
    await p.pay();
    expect(findPayment(p.books(), key)).toMatchObject({ state: 'FAILED' });
    expect(transactionsOf(p.books(), findPayment(p.books(), key)!.id)).toEqual([]);
    expect(listIncidents(p.books(), 1)).toMatchObject([{ code: 'payment' }]);
  });

  test('what was announced is taken back after the delay', async () => {
    const p = await world(chain());
    await planDeposit(p.parts(), p.id, 100n);
    await p.pay();
    const { terms } = p.w;
    planPayment(p.books(), p.id, 'thaw', { kind: 'thaw', terms, amount: 40n }, 1);
    await p.pay();
    planPayment(p.books(), p.id, 'early', { kind: 'withdraw', terms }, 1);
    await p.pay();
    expect(findPayment(p.books(), 'early')).toMatchObject({ state: 'FAILED' });
    await chain().advance(terms.withdrawDelay + 1);
    planPayment(p.books(), p.id, 'in time', { kind: 'withdraw', terms }, 1);
    await p.pay();
    expect(await p.balance()).toBe(60n);
  });

  test('a claim above what the device itself has signed is challenged, and costs its bond', async () => {
    const p = await world(chain());
    await planDeposit(p.parts(), p.id, 1000n);
    await p.pay();
    const { ledger, token, payer, provider, device, terms } = p.w;
    await chain().send(token, payer, 'approve', await ledger.getAddress(), 2n ** 100n);
    await chain().send(ledger, payer, 'addBond', provider.address, device.address, terms.token, 5000n);
    addHead(p.books(), p.id, 0, p.head(7, 300n, 'honest'), 1);
    expect(await watchChannel(p.books(), p.escrow, p.id, 1)).toMatchObject({ value: { claim: 'none' } });
    const lie = p.head(7, 900n, 'a lie');
    const allowed = await p.w.allowed(1000n, (await chain().now()) + 3600);
    await chain().send(ledger, provider, 'claim', terms, lie, allowed);
    const before = await p.balance();
    expect(await watchChannel(p.books(), p.escrow, p.id, 1)).toMatchObject({
      value: { claim: 'challenged' },
    });
    expect(await watchChannel(p.books(), p.escrow, p.id, 1)).toMatchObject({
      value: { claim: 'challenged' },
    });
    expect(openPayments(p.books())).toHaveLength(1);
    await p.pay();
    expect(await watchChannel(p.books(), p.escrow, p.id, 1)).toMatchObject({ value: { claim: 'none' } });
    // Another receipt at the claim's number: all of the claim counts as too much. The device loses twice that, one half to us.
    expect((await p.balance()) - before).toBe(900n);
  });

  test('a claim that nothing contradicts is told to the owner once', async () => {
    const p = await world(chain());
    await planDeposit(p.parts(), p.id, 1000n);
    await p.pay();
    const allowed = await p.w.allowed(1000n, (await chain().now()) + 3600);
    await chain().send(p.w.ledger, p.w.provider, 'claim', p.w.terms, p.head(3, 50n, 'invented'), allowed);
    for (let i = 0; i < 2; i++)
      expect(await watchChannel(p.books(), p.escrow, p.id, 1)).toMatchObject({
        value: { claim: 'unrefuted' },
      });
    expect(listIncidents(p.books(), 9)).toHaveLength(1);
  });

  test('a wallet of another ledger, a chain that is away: values, not exceptions', async () => {
    const p = await world(chain());
    const options = {
      rpcUrl: 'http://127.0.0.1:9',
      chainId: 31337,
      ledger: p.escrow.ledger,
      confirmations: 0,
    };
    const away = createEvmEscrow(options);
    expect(await away.look(p.id, p.w.terms)).toMatchObject({ ok: false, code: 'unreachable' });
    const other = createEvmEscrow({
      ...options,
      rpcUrl: chain().devchain.rpcUrl,
      ledger: `0x${'ee'.repeat(20)}`,
    });
    expect(await other.look(p.id, p.w.terms)).toMatchObject({ ok: false, code: 'wrong' });
    planPayment(p.books(), p.id, 'thaw', { kind: 'thaw', terms: p.w.terms, amount: 1n }, 1);
    expect(await paymentRound({ ...p.parts(), escrow: { ...away, ledger: p.escrow.ledger } })).toMatchObject({
      kind: 'unreachable',
    });
    expect(findPayment(p.books(), 'thaw')).toMatchObject({ state: 'PLANNED' });
  });
});

test.skipIf(!anvilBinary())('a stuck payment is replaced at its nonce, and made once', async () => {
  const chain = await testChain('anvil');
  const p = await world(chain);
  const rpc = (method: string, ...params: unknown[]) => chain.provider.send(method, params);
  await rpc('evm_setAutomine', false);
  const key = await planDeposit(p.parts(), p.id, 100n);
  await paymentRound(p.parts());
  p.clock.at += 61_000;
  await paymentRound(p.parts());
  const [second, first] = transactionsOf(p.books(), findPayment(p.books(), key)!.id);
  expect(second!.nonce).toBe(first!.nonce);
  expect(second!.maxFee).toBeGreaterThan((first!.maxFee * 11n) / 10n);
  await p.escrow.broadcast(first!.raw);
  await rpc('evm_mine');
  await p.pay();
  expect(await p.balance()).toBe(100n);
});
