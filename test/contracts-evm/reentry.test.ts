import { id as keccakText } from 'ethers';
import { describe, expect, test } from 'vitest';
import { sharedChain } from './chain.ts';
import { DAY, type Setting, setting, type Terms, word } from './channel.ts';

/** What OpenZeppelin's guard reverts with. */
const GUARDED = keccakText('ReentrancyGuardReentrantCall()').slice(0, 10);

/** Calls that move tokens, as a channel of 1,000 with a claim of 600 that may be released finds them. */
const CALLS = {
  deposit: async (_: Setting, terms: Terms) => ['deposit', terms, 5n],
  settle: async (s: Setting, terms: Terms, channel: string) => [
    'settle',
    [await s.acknowledged(s.statement(4, 700n, channel), terms)],
  ],
  withdraw: async (_: Setting, terms: Terms) => ['withdraw', terms],
  release: async (_: Setting, terms: Terms) => ['release', terms],
} satisfies Record<string, (s: Setting, terms: Terms, channel: string) => Promise<[string, ...unknown[]]>>;
type Call = keyof typeof CALLS;

const PAIRS: readonly [Call, Call][] = [
  ['deposit', 'withdraw'],
  ['deposit', 'deposit'],
  ['settle', 'settle'],
  ['settle', 'release'],
  ['withdraw', 'withdraw'],
  ['withdraw', 'settle'],
  ['release', 'release'],
  ['release', 'withdraw'],
];

describe.each(['anvil', 'ethereumjs'] as const)('a token that calls back, on %s', (engine) => {
  const chain = sharedChain(engine);

  test('gets nowhere, whatever it calls in the middle of what', async () => {
    const s = await setting(chain());
    const token = await s.chain.deploy('ReentrantToken', s.payer, s.payer.address);
    const ledger = await s.ledger.getAddress();
    await s.chain.send(token, s.payer, 'approve', ledger, 2n ** 255n);
    for (const [i, [outer, inner]] of PAIRS.entries()) {
      // The slower machine takes every other one.
      if (engine === 'ethereumjs' && i % 2 === 1) continue;
      const terms = { ...s.terms, token: await token.getAddress(), salt: word(`reentry ${i}`) };
      const channel = (await s.ledger.channelId!(terms)) as string;
      await s.deposit(1000n, terms);
      const until = (await s.chain.now()) + DAY;
      const limit = { channelId: channel, maxCumulative: 600n, validUntil: until };
      const allowed = { ...limit, signature: await s.sign('Ceiling', limit, s.session) };
      const head = await s.stated(s.statement(3, 600n, channel));
      await s.chain.send(s.ledger, s.device, 'claim', terms, head, allowed);
      await s.chain.send(s.ledger, s.payer, 'thaw', terms, 1000n);
      await s.chain.advance(8 * DAY);

      const [method, ...args] = await CALLS[inner](s, terms, channel);
      await s.chain.send(token, s.payer, 'arm', ledger, s.ledger.interface.encodeFunctionData(method, args));
      const before = await s.ledger.channelOf!(channel);
      const [outerMethod, ...outerArgs] = await CALLS[outer](s, terms, channel);
      await s.chain.send(s.ledger, s.payer, outerMethod, ...outerArgs);
      expect([await token.succeeded!(), await token.answer!()], `${inner} in ${outer}`).toEqual([
        false,
        GUARDED,
      ]);
      // What the outer call did is what it does by itself.
      const after = await s.ledger.channelOf!(channel);
      const moved = { deposit: [5n, 0n], settle: [0n, 700n], withdraw: [-400n, 0n], release: [0n, 600n] }[
        outer
      ];
      expect([after.balance - before.balance, after.paid - before.paid], outer).toEqual(moved);
    }
  });
});
