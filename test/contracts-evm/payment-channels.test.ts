import { describe, expect, test } from 'vitest';
import { abiOf, revertOf, sharedChain, testChain } from './chain.ts';
import { DAY, HOUR, type Setting, setting, word } from './channel.ts';

const ZERO = `0x${'0'.repeat(64)}`;

/** The named event of a transaction. */
async function eventOf(
  receipt: { logs: readonly unknown[] },
  name: string,
): Promise<Record<string, unknown>> {
  const parsed = receipt.logs.map((log) => abiOf('EdgeLedger').parseLog(log as never));
  return parsed.find((event) => event?.name === name)!.args.toObject();
}

const later = async ({ chain }: Setting, seconds: number): Promise<number> => (await chain.now()) + seconds;

describe.each(['anvil', 'ethereumjs'] as const)('channels on %s', (engine) => {
  const chain = sharedChain(engine);

  test('open with their terms in an event, and only with terms that protect both sides', async () => {
    const s = await setting(chain());
    const receipt = await s.chain.send(s.ledger, s.payer, 'deposit', s.terms, 100n);
    const opened = await eventOf(receipt, 'ChannelOpened');
    expect(opened).toMatchObject({ channelId: s.id, payer: s.payer.address, withdrawDelay: 604_800n });
    const again = await s.chain.send(s.ledger, s.device, 'open', s.terms);
    expect(again.logs).toHaveLength(0);
    for (const wrong of [
      { disputeWindow: HOUR - 1 },
      { withdrawDelay: DAY + 15 * 60 - 1 },
      { withdrawDelay: 30 * DAY + 1 },
      { payerSigner: `0x${'0'.repeat(40)}` },
      { provider: `0x${'0'.repeat(40)}` },
    ]) {
      const terms = { ...s.terms, ...wrong };
      expect(await revertOf(s.chain.send(s.ledger, s.payer, 'deposit', terms, 1n))).toBe('WrongTerms');
    }
  });

  test('pay what was acknowledged, once, and to nobody but the provider', async () => {
    const s = await setting(chain());
    await s.deposit(1000n);
    const row = await s.acknowledged(s.statement(3, 300n));
    await s.chain.send(s.ledger, s.guardian, 'settle', [row]);
    expect(await s.balance(s.provider)).toBe(300n);
    expect(await revertOf(s.chain.send(s.ledger, s.device, 'settle', [row]))).toBe('NothingToPay');
    const older = await s.acknowledged(s.statement(2, 200n));
    expect(await revertOf(s.chain.send(s.ledger, s.device, 'settle', [older]))).toBe('NothingToPay');
    await s.chain.send(s.ledger, s.device, 'settle', [await s.acknowledged(s.statement(9, 450n))]);
    expect(await s.balance(s.provider)).toBe(450n);
    expect(await s.escrow()).toBe(550n);
  });

  test('take no signature that was given for something else', async () => {
    const s = await setting(chain());
    await s.deposit(1000n);
    const settle = (row: object) => revertOf(s.chain.send(s.ledger, s.device, 'settle', [row]));
    const good = s.statement(3, 300n);
    expect(await settle(await s.acknowledged(good, s.terms, s.device))).toBe('WrongSigner');
    expect(await settle({ ...(await s.acknowledged(good)), cumulative: 301n })).toBe('WrongSigner');
    const otherTerms = { ...s.terms, salt: word('other') };
    await s.deposit(1000n, otherTerms);
    expect(await settle({ ...(await s.acknowledged(good)), config: otherTerms })).toBe('WrongSigner');
    const { r, vs } = (await s.acknowledged(good)) as { r: string; vs: string };
    const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const high = (n - (BigInt(vs) & ((1n << 255n) - 1n))).toString(16).padStart(64, '0');
    const mallea = { ...(await s.acknowledged(good)), r, vs: `0x${high}` };
    expect(['ECDSAInvalidSignatureS', 'WrongSigner', 'ECDSAInvalidSignature']).toContain(
      await settle(mallea),
    );
    // A ceiling or a head says nothing about what was delivered.
    const until = await later(s, DAY);
    const asHead = await s.stated(good, s.session);
    const allowed = await s.allowed(1000n, until);
    const claim = (...args: object[]) =>
      revertOf(s.chain.send(s.ledger, s.device, 'claim', s.terms, ...args));
    expect(await claim(asHead, allowed)).toBe('WrongSigner');
    expect(await claim(await s.stated(good), await s.allowed(1000n, until, s.device))).toBe('WrongSigner');
  });

  test('pay what is there when the escrow is short; the rest stays claimable', async () => {
    const s = await setting(chain());
    await s.deposit(299n);
    const row = await s.acknowledged(s.statement(3, 300n));
    const receipt = await s.chain.send(s.ledger, s.device, 'settle', [row]);
    expect(await eventOf(receipt, 'Settled')).toMatchObject({ cumulative: 300n, paid: 299n });
    await s.deposit(50n);
    await s.chain.send(s.ledger, s.device, 'settle', [row]);
    expect(await s.balance(s.provider)).toBe(300n);
    expect(await s.escrow()).toBe(49n);
  });

  test('settle many in one transfer; one that is paid already spoils nothing, another payee does', async () => {
    const s = await setting(chain());
    const rows: object[] = [];
    for (let i = 0; i < 5; i++) {
      const terms = { ...s.terms, salt: word(`channel ${i}`) };
      await s.deposit(100n, terms);
      const id = (await s.ledger.channelId!(terms)) as string;
      rows.push(await s.acknowledged(s.statement(1, 10n + BigInt(i), id), terms));
    }
    await s.chain.send(s.ledger, s.guardian, 'settle', [rows[2]]);
    await s.chain.send(s.ledger, s.device, 'settle', rows);
    expect(await s.balance(s.provider)).toBe(60n);
    const stolen = { ...(rows[0] as object), config: { ...s.terms, provider: s.guardian.address } };
    expect(await revertOf(s.chain.send(s.ledger, s.device, 'settle', [rows[1], stolen]))).toBe('MixedPayout');
  });

  test('post and settle in one transaction, also when there is nothing left to pay', async () => {
    const s = await setting(chain());
    await s.deposit(100n);
    const row = await s.acknowledged(s.statement(1, 40n));
    await s.chain.send(s.ledger, s.device, 'settle', [row]);
    const args = [s.device.address, ZERO, word('root'), 1, 40n, '0x', [row]];
    await s.chain.send(s.ledger, s.device, 'postAndSettle', ...args);
    expect((await s.ledger.headOf!(s.device.address)).toSeq).toBe(1n);
    expect(await revertOf(s.chain.send(s.ledger, s.device, 'postAndSettle', ...args))).toBe('StaleHead');
  });

  test('give the payer back what is free, after the delay, and never what is owed', async () => {
    const s = await setting(chain());
    await s.deposit(1000n);
    const before = await s.balance(s.payer);
    expect(await revertOf(s.chain.send(s.ledger, s.provider, 'thaw', s.terms, 1n))).toBe('NotPayer');
    await s.chain.send(s.ledger, s.session, 'thaw', s.terms, 900n);
    expect(await revertOf(s.chain.send(s.ledger, s.payer, 'withdraw', s.terms))).toBe('TooEarly');
    await s.chain.send(s.ledger, s.device, 'settle', [await s.acknowledged(s.statement(4, 400n))]);
    await s.chain.advance(7 * DAY);
    await s.chain.send(s.ledger, s.guardian, 'withdraw', s.terms);
    expect((await s.balance(s.payer)) - before).toBe(600n);
    expect(await revertOf(s.chain.send(s.ledger, s.payer, 'withdraw', s.terms))).toBe('TooEarly');
    expect(await s.escrow()).toBe(0n);
  });

  test('hold a claim under a ceiling for the dispute window, then pay it', async () => {
    const s = await setting(chain());
    await s.deposit(1000n);
    const until = await later(s, DAY);
    const claim = async (seq: number, cumulative: bigint, max: bigint, valid = until) =>
      revertOf(
        s.chain.send(
          s.ledger,
          s.device,
          'claim',
          s.terms,
          await s.stated(s.statement(seq, cumulative)),
          await s.allowed(max, valid),
        ),
      );
    expect(await claim(5, 500n, 499n)).toBe('OverCeiling');
    expect(await claim(5, 500n, 500n, (await s.chain.now()) - 1)).toBe('CeilingExpired');
    expect(await claim(5, 500n, 500n)).toBe('no revert');
    expect(await claim(5, 500n, 500n)).toBe('StaleClaim');
    expect(await revertOf(s.chain.send(s.ledger, s.provider, 'release', s.terms))).toBe('TooEarly');
    // What waits cannot be withdrawn meanwhile.
    await s.chain.send(s.ledger, s.payer, 'thaw', s.terms, 1000n);
    await s.chain.advance(DAY);
    await s.chain.send(s.ledger, s.provider, 'release', s.terms);
    expect(await s.balance(s.provider)).toBe(500n);
    expect(await revertOf(s.chain.send(s.ledger, s.provider, 'release', s.terms))).toBe('NoClaim');
    await s.chain.advance(6 * DAY);
    await s.chain.send(s.ledger, s.payer, 'withdraw', s.terms);
    expect(await s.escrow()).toBe(0n);
  });

  test('cancel an over-claim with the device’s own word, and slash twice the excess', async () => {
    const s = await setting(chain());
    await s.deposit(1000n);
    await s.chain.send(
      s.ledger,
      s.payer,
      'addBond',
      s.provider.address,
      s.device.address,
      s.terms.token,
      700n,
    );
    const until = await later(s, DAY);
    const challenge = async (seq: number, cumulative: bigint, signer = s.device) =>
      s.chain.send(
        s.ledger,
        s.guardian,
        'challenge',
        s.terms,
        await s.stated(s.statement(seq, cumulative), signer),
      );
    expect(await revertOf(challenge(6, 300n))).toBe('NoClaim');
    await s.chain.send(
      s.ledger,
      s.device,
      'claim',
      s.terms,
      await s.stated(s.statement(5, 600n)),
      await s.allowed(800n, until),
    );
    expect(await revertOf(challenge(4, 300n))).toBe('NoContradiction');
    expect(await revertOf(challenge(6, 600n))).toBe('NoContradiction');
    expect(await revertOf(challenge(6, 300n, s.session))).toBe('WrongSigner');
    const receipt = await challenge(6, 350n);
    expect(await eventOf(receipt, 'Challenged')).toMatchObject({ slashed: 500n, equivocation: false });
    // Half is the payer's, in the escrow; the other half is nobody's.
    expect((await s.ledger.channelOf!(s.id)).balance).toBe(1250n);
    expect(await s.escrow()).toBe(1700n);
    expect(Number(receipt.gasUsed)).toBeLessThanOrEqual(60_000);
    // Refuted receipts cannot be claimed again; acknowledged they can still be paid.
    const stale = s.chain.send(
      s.ledger,
      s.device,
      'claim',
      s.terms,
      await s.stated(s.statement(6, 600n)),
      await s.allowed(800n, until),
    );
    expect(await revertOf(stale)).toBe('StaleClaim');
    await s.chain.send(s.ledger, s.device, 'settle', [await s.acknowledged(s.statement(6, 350n))]);
    expect(await s.balance(s.provider)).toBe(350n);
    expect((await s.ledger.bondOf!(s.provider.address, s.device.address, s.terms.token)).amount).toBe(200n);
    const before = await s.balance(s.payer);
    await s.chain.send(s.ledger, s.payer, 'thaw', s.terms, 10_000n);
    await s.chain.advance(7 * DAY);
    await s.chain.send(s.ledger, s.payer, 'withdraw', s.terms);
    expect((await s.balance(s.payer)) - before).toBe(900n);
  });

  test('a provider that refutes itself in a channel of its own loses half of what it would save', async () => {
    const s = await setting(chain());
    const { device, token } = s.terms;
    await s.chain.send(s.ledger, s.payer, 'addBond', s.provider.address, device, token, 2000n);
    await s.deposit(1000n);
    const until = await later(s, DAY);
    const head = await s.stated(s.statement(5, 1000n));
    await s.chain.send(s.ledger, s.device, 'claim', s.terms, head, await s.allowed(1000n, until));
    await s.chain.send(s.ledger, s.device, 'challenge', s.terms, await s.stated(s.statement(6, 0n)));
    const { balance } = await s.ledger.channelOf!(s.id);
    expect(balance - 1000n).toBe(1000n);
    expect((await s.ledger.bondOf!(s.provider.address, device, token)).amount).toBe(0n);
  });

  test('cancel a claim when the device has signed two receipts at one number', async () => {
    const s = await setting(chain());
    await s.deposit(1000n);
    await s.chain.send(
      s.ledger,
      s.payer,
      'addBond',
      s.provider.address,
      s.device.address,
      s.terms.token,
      100n,
    );
    const until = await later(s, DAY);
    const claimed = s.statement(5, 600n);
    await s.chain.send(
      s.ledger,
      s.device,
      'claim',
      s.terms,
      await s.stated(claimed),
      await s.allowed(800n, until),
    );
    const same = await s.stated(claimed);
    expect(await revertOf(s.chain.send(s.ledger, s.payer, 'challenge', s.terms, same))).toBe(
      'NoContradiction',
    );
    const other = await s.stated({ ...claimed, cumulative: 700n, receiptHash: word('another') });
    const receipt = await s.chain.send(s.ledger, s.payer, 'challenge', s.terms, other);
    expect(await eventOf(receipt, 'Challenged')).toMatchObject({ slashed: 100n, equivocation: true });
    await s.chain.advance(DAY);
    expect(await revertOf(s.chain.send(s.ledger, s.provider, 'release', s.terms))).toBe('NoClaim');
  });

  test('a claim is final once its window is over', async () => {
    const s = await setting(chain());
    await s.deposit(1000n);
    const until = await later(s, DAY);
    const head = await s.stated(s.statement(5, 600n));
    await s.chain.send(s.ledger, s.device, 'claim', s.terms, head, await s.allowed(800n, until));
    await s.chain.advance(DAY);
    const proof = await s.stated(s.statement(6, 100n));
    expect(await revertOf(s.chain.send(s.ledger, s.payer, 'challenge', s.terms, proof))).toBe('TooLate');
  });

  test('a bond goes back to its provider only, after a delay longer than any dispute', async () => {
    const s = await setting(chain());
    const { token, device } = s.terms;
    await s.chain.send(s.ledger, s.payer, 'addBond', s.provider.address, device, token, 700n);
    await s.chain.send(s.ledger, s.payer, 'thawBond', device, token, 700n);
    await s.chain.send(s.ledger, s.provider, 'thawBond', device, token, 700n);
    expect(await revertOf(s.chain.send(s.ledger, s.provider, 'withdrawBond', device, token))).toBe(
      'TooEarly',
    );
    await s.chain.advance(31 * DAY);
    await s.chain.send(s.ledger, s.payer, 'withdrawBond', device, token);
    expect(await s.escrow()).toBe(700n);
    await s.chain.send(s.ledger, s.provider, 'withdrawBond', device, token);
    expect(await s.balance(s.provider)).toBe(700n);
  });

  test('only new deposits can be stopped, and only by the guardian', async () => {
    const s = await setting(chain());
    await s.deposit(100n);
    expect(await revertOf(s.chain.send(s.ledger, s.payer, 'pauseDeposits', true))).toBe('NotGuardian');
    await s.chain.send(s.ledger, s.guardian, 'pauseDeposits', true);
    expect(await revertOf(s.chain.send(s.ledger, s.payer, 'deposit', s.terms, 1n))).toBe('DepositsStopped');
    await s.chain.send(s.ledger, s.device, 'settle', [await s.acknowledged(s.statement(1, 40n))]);
    await s.chain.send(s.ledger, s.payer, 'thaw', s.terms, 60n);
    await s.chain.advance(7 * DAY);
    await s.chain.send(s.ledger, s.payer, 'withdraw', s.terms);
    expect(await s.escrow()).toBe(0n);
  });

  test('deposit with a permit, also when somebody used the permit first', async () => {
    const s = await setting(chain());
    const address = await s.ledger.getAddress();
    await s.chain.send(s.token, s.payer, 'approve', address, 0n);
    const domain = {
      name: 'AI Matrix',
      version: '1',
      chainId: s.chain.devchain.chainId,
      verifyingContract: s.terms.token,
    };
    const types = {
      Permit: [
        { name: 'owner', type: 'address' },
        { name: 'spender', type: 'address' },
        { name: 'value', type: 'uint256' },
        { name: 'nonce', type: 'uint256' },
        { name: 'deadline', type: 'uint256' },
      ],
    };
    const permit = async (value: bigint, nonce: bigint) => {
      const message = { owner: s.payer.address, spender: address, value, nonce, deadline: 2n ** 40n };
      const signature = await s.payer.signTypedData(domain, types, message);
      return [
        2n ** 40n,
        `0x${signature.slice(130)}`,
        signature.slice(0, 66),
        `0x${signature.slice(66, 130)}`,
      ];
    };
    await s.chain.send(s.ledger, s.payer, 'depositWithPermit', s.terms, 5n, ...(await permit(5n, 0n)));
    const seen = await permit(7n, 1n);
    await s.chain.send(s.token, s.guardian, 'permit', s.payer.address, address, 7n, ...seen);
    await s.chain.send(s.ledger, s.payer, 'depositWithPermit', s.terms, 7n, ...seen);
    expect((await s.ledger.channelOf!(s.id)).balance).toBe(12n);
  });

  test('refuse tokens that do not arrive in full', async () => {
    const s = await setting(chain());
    const fee = await s.chain.deploy('FeeToken', s.payer, s.payer.address);
    const token = await fee.getAddress();
    await s.chain.send(fee, s.payer, 'approve', await s.ledger.getAddress(), 10n ** 18n);
    const terms = { ...s.terms, token };
    expect(await revertOf(s.chain.send(s.ledger, s.payer, 'deposit', terms, 1000n))).toBe('WrongTransfer');
    const bond = [s.provider.address, s.device.address, token, 1000n];
    expect(await revertOf(s.chain.send(s.ledger, s.payer, 'addBond', ...bond))).toBe('WrongTransfer');
  });

  test('cost exactly as much as ever', async () => {
    // A chain of its own: bytes of addresses that are zero cost less.
    const s = await setting(await testChain(engine));
    const gas: Record<string, number> = {};
    const big = 10n ** 20n;
    const rows: object[] = [];
    for (let i = 0; i < 10; i++) {
      const terms = { ...s.terms, salt: word(`gas ${i}`) };
      await s.deposit(big, terms);
      const id = (await s.ledger.channelId!(terms)) as string;
      const first = await s.acknowledged(s.statement(1, 10n ** 18n + 1n, id), terms);
      await s.chain.send(s.ledger, s.device, 'settle', [first]);
      rows.push(await s.acknowledged(s.statement(10_000, 2n * 10n ** 18n, id), terms));
    }
    const post = async (name: string, of: object[], n: number) => {
      const { head } = await s.ledger.headOf!(s.device.address);
      const total = BigInt(n) * big;
      const args = [s.device.address, head, word(name), n * 10_000, total, '0x', of];
      gas[name] = Number((await s.chain.send(s.ledger, s.device, 'postAndSettle', ...args)).gasUsed);
    };
    await post('first batch', [], 1);
    await post('post and settle one channel', rows.slice(0, 1), 2);
    await post('post and settle nine channels', rows.slice(1), 3);
    expect(gas).toMatchInlineSnapshot(`
      {
        "first batch": 72758,
        "post and settle nine channels": 235755,
        "post and settle one channel": 75062,
      }
    `);
    expect(gas['post and settle one channel']).toBeLessThanOrEqual(80_000);
  });
});
