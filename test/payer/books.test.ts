import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ackDigest, ceilingDigest } from '../../gateway/billing/formats/documents.ts';
import { recoverAddress } from '../../gateway/billing/keys/device-key.ts';
import { noteEscrow } from '../../gateway/payer/books/channels.ts';
import { headsFrom } from '../../gateway/payer/books/receipts.ts';
import { noteAnswer } from '../../gateway/payer/books/requests.ts';
import { bytesUsed } from '../../gateway/payer/books/retention.ts';
import {
  advance,
  clearRefusal,
  listIncidents,
  listSpent,
  prune,
  readChannel,
  receive,
  receiveHead,
  setLimit,
  signAck,
  signCeiling,
} from '../../gateway/payer/index.ts';
import { undelivered } from '../../gateway/payer/signing.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { CHANNEL, DEVICE, headOf, key, SEPARATOR, SESSION, Seller, sha, sign } from './seller.ts';
import { bought, escrowOf, FLAT, NOW, openBooks } from './setting.ts';

const SEED = 20261122;
const OWN = { takeUnknown: false };
const DAY = 86_400_000;
const wish = (window: bigint, now = NOW) => ({ window, validForMs: DAY, now });

describe('receipts', () => {
  test(`are checked in their order, in whichever they come (seed ${SEED})`, () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...Array(12).keys()], { minLength: 12 }), (order) => {
        const books = openBooks(temporaryFolder());
        signCeiling(books, SESSION, CHANNEL, wish(10n ** 6n));
        const seller = new Seller(FLAT);
        const all = order.map((i) => seller.sell(`r-${i}`));
        const newest = all.at(-1)!.evidence;
        for (const i of order) {
          bought(books, all[i]!);
          receive(books, all[i]!.evidence, NOW, OWN);
          receive(books, all[i]!.evidence, NOW, OWN); // once more changes nothing
        }
        expect(readChannel(books, CHANNEL)).toMatchObject({ seq: 12, cumulative: newest.receipt.cumulative });
        expect(listSpent(books)).toEqual([{ model: 'room-comfort', amount: newest.receipt.cumulative }]);
        books.close();
      }),
      { seed: SEED, numRuns: 2 },
    );
  });

  test('that are missing are named, and those without an answer waited for', () => {
    const books = openBooks(temporaryFolder());
    signCeiling(books, SESSION, CHANNEL, wish(10n ** 6n));
    const seller = new Seller(FLAT);
    const [a, b, c] = [seller.sell('a'), seller.sell('b'), seller.sell('c')];
    for (const one of [a, b, c]) bought(books, one, one !== a);
    expect(receive(books, c.evidence, NOW, OWN)).toMatchObject({ seq: 0, missing: 1 });
    receive(books, b.evidence, NOW, OWN);
    expect(receive(books, a.evidence, NOW, OWN)).toMatchObject({ seq: 0, missing: undefined, waitsFor: 'a' });
    noteAnswer(books, CHANNEL, 'a', { sha: sha(a.answer), bytes: a.answer.length, elapsedMs: 1 }, NOW);
    expect(advance(books, CHANNEL, NOW, OWN)).toMatchObject({ seq: 3 });
  });

  test('a false one stops the channel: nothing more is signed until the owner says so', () => {
    const books = openBooks(temporaryFolder());
    signCeiling(books, SESSION, CHANNEL, wish(10n ** 6n));
    const seller = new Seller(FLAT);
    const good = seller.sell('a');
    bought(books, good);
    receive(books, good.evidence, NOW, OWN);
    const ack = signAck(books, SESSION, CHANNEL, NOW)!;
    const unasked = seller.sell('never-asked');
    receive(books, unasked.evidence, NOW, OWN);
    expect(readChannel(books, CHANNEL)).toMatchObject({ seq: 1, refusal: { code: 'request', seq: 2 } });
    expect(signAck(books, SESSION, CHANNEL, NOW)).toEqual(ack);
    expect(() => signCeiling(books, SESSION, CHANNEL, wish(10n ** 7n))).toThrow(
      expect.objectContaining({ code: 'PAYER_REFUSED' }),
    );
    expect(listIncidents(books, 1)).toMatchObject([{ code: 'request' }]);
    expect(clearRefusal(books, CHANNEL)).toBe(true);
    expect(receive(books, unasked.evidence, NOW, { takeUnknown: true })).toMatchObject({ seq: 2 });
  });

  test('a head of the device that says otherwise stops the channel, and is kept as evidence', () => {
    const books = openBooks(temporaryFolder());
    signCeiling(books, SESSION, CHANNEL, wish(10n ** 6n));
    const seller = new Seller(FLAT);
    const [a, b] = [seller.sell('a'), seller.sell('b')];
    for (const one of [a, b]) bought(books, one);
    receive(books, { ...a.evidence, head: headOf(a.evidence) }, NOW, OWN);
    const strangers = { ...headOf(b.evidence), signature: key('stranger').sign(sha('x')) };
    receiveHead(books, CHANNEL, strangers, NOW, OWN);
    expect(readChannel(books, CHANNEL).refusal).toBeUndefined();
    const other = sign({ seq: 2, cumulative: b.evidence.receipt.cumulative, receiptHash: sha('other') });
    receiveHead(books, CHANNEL, other, NOW, OWN);
    receive(books, b.evidence, NOW, OWN);
    expect(readChannel(books, CHANNEL)).toMatchObject({ seq: 1, refusal: { code: 'head', seq: 2 } });
    expect(headsFrom(books, CHANNEL, 1).map(({ seq }) => seq)).toEqual([1, 2]);
  });
});

describe('signatures', () => {
  test('are those of the session key over what is in the books, and wait until they are delivered', () => {
    const books = openBooks(temporaryFolder());
    const ceiling = signCeiling(books, SESSION, CHANNEL, wish(500n));
    const seller = new Seller(FLAT);
    const one = seller.sell('a');
    bought(books, one);
    receive(books, one.evidence, NOW, OWN);
    const ack = signAck(books, SESSION, CHANNEL, NOW)!;
    expect(recoverAddress(ackDigest(SEPARATOR, { channelId: CHANNEL, ...ack }), ack.signature)).toBe(
      SESSION.address,
    );
    const allowed = ceilingDigest(SEPARATOR, { channelId: CHANNEL, ...ceiling });
    expect(recoverAddress(allowed, ceiling.signature)).toBe(SESSION.address);
    expect(undelivered(books, CHANNEL)).toEqual({ ack, ceiling });
    expect(() => signAck(books, DEVICE, CHANNEL, NOW)).not.toThrow(); // nothing new to sign
    expect(() => signCeiling(books, DEVICE, CHANNEL, wish(9000n))).toThrow(
      expect.objectContaining({ code: 'PAYER_KEY' }),
    );
  });

  test(`never go beyond limits or escrow, never fall, never contradict (seed ${SEED})`, () => {
    const amount = fc.bigInt({ min: 1n, max: 400n });
    const step = fc.oneof(
      fc.record({ kind: fc.constant('ceiling' as const), amount }),
      fc.record({ kind: fc.constant('buy' as const) }),
      fc.record({ kind: fc.constant('ack' as const) }),
      fc.record({ kind: fc.constant('later' as const), ms: fc.nat({ max: 3_000_000 }) }),
      fc.record({
        kind: fc.constant('limit' as const),
        scope: fc.constantFrom('hour' as const, 'total' as const, 'gateway' as const),
        amount,
      }),
      fc.record({ kind: fc.constant('escrow' as const), amount }),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 40 }), (steps) => {
        const books = openBooks(temporaryFolder(), FLAT, 300n);
        const seller = new Seller(FLAT);
        let [now, balance, bought_] = [NOW, 300n, 0];
        const limits = new Map<string, bigint>();
        const signed: { at: number; max: bigint }[] = [];
        const acks: { seq: number; cumulative: bigint }[] = [];
        let next = seller.sell('r-0');
        for (const one of steps) {
          if (one.kind === 'later') now += one.ms;
          if (one.kind === 'limit') {
            limits.set(one.scope, one.amount);
            setLimit(books, one.scope, one.scope === 'gateway' ? DEVICE.address : '', one.amount);
          }
          if (one.kind === 'escrow') {
            balance += one.amount;
            noteEscrow(books, CHANNEL, escrowOf(balance), now);
          }
          if (one.kind === 'ack') {
            const ack = signAck(books, SESSION, CHANNEL, now);
            if (ack && ack.seq !== acks.at(-1)?.seq) acks.push(ack);
          }
          if (one.kind === 'buy' && next.evidence.receipt.cumulative <= readChannel(books, CHANNEL).ceiling) {
            bought(books, next);
            receive(books, next.evidence, now, OWN);
            next = seller.sell(`r-${++bought_}`);
          }
          if (one.kind !== 'ceiling') continue;
          const before = signed.at(-1)?.max ?? 0n;
          try {
            const { maxCumulative } = signCeiling(books, SESSION, CHANNEL, wish(one.amount, now));
            if (maxCumulative !== before) signed.push({ at: now, max: maxCumulative });
          } catch (error) {
            expect(['PAYER_LIMIT', 'PAYER_ESCROW']).toContain((error as { code: string }).code);
          }
          const raised = (signed.at(-1)?.max ?? 0n) - before;
          expect(raised).toBeGreaterThanOrEqual(0n);
          if (raised === 0n) continue;
          const max = signed.at(-1)!.max;
          expect(max).toBeLessThanOrEqual(balance);
          for (const scope of ['total', 'gateway']) expect(max).toBeLessThanOrEqual(limits.get(scope) ?? max);
          const old = signed.filter(({ at }) => at <= now - 3_600_000).at(-1)?.max ?? 0n;
          expect(max - old).toBeLessThanOrEqual(limits.get('hour') ?? max);
        }
        for (const [i, ack] of acks.entries()) {
          expect(ack.seq).toBeGreaterThan(acks[i - 1]?.seq ?? 0);
          expect(ack.cumulative).toBeGreaterThan(acks[i - 1]?.cumulative ?? 0n);
        }
        books.close();
      }),
      { seed: SEED, numRuns: Number(process.env.AIMX_RUNS ?? 6) },
    );
  });

  test('a limit for a model stops its receipts, not the others', () => {
    const books = openBooks(temporaryFolder());
    signCeiling(books, SESSION, CHANNEL, wish(10n ** 6n));
    const one = new Seller(FLAT).sell('a');
    bought(books, one);
    setLimit(books, 'model', 'room-comfort', one.evidence.receipt.amount - 1n);
    receive(books, one.evidence, NOW, OWN);
    expect(readChannel(books, CHANNEL)).toMatchObject({ seq: 0, refusal: { code: 'limit' } });
    setLimit(books, 'model', 'room-comfort', one.evidence.receipt.amount);
    clearRefusal(books, CHANNEL);
    expect(receive(books, one.evidence, NOW, OWN)).toMatchObject({ seq: 1 });
  });
});

test('the books stay small: what is settled goes, what protects the payer stays', () => {
  const books = openBooks(temporaryFolder());
  signCeiling(books, SESSION, CHANNEL, wish(10n ** 9n));
  const seller = new Seller(FLAT);
  books.transaction(() => {
    for (let i = 0; i < 300; i++) {
      const one = seller.sell(`r-${i}`);
      bought(books, one);
      receive(books, i % 50 === 0 ? { ...one.evidence, head: headOf(one.evidence) } : one.evidence, NOW, OWN);
      if (i === 249) signAck(books, SESSION, CHANNEL, NOW);
    }
  });
  const before = bytesUsed(books);
  expect(headsFrom(books, CHANNEL, 0)).toHaveLength(1);
  prune(books, { keep: 30 * DAY, maxBytes: before / 2 }, NOW + DAY);
  expect(bytesUsed(books)).toBeLessThan(before / 2);
  const left = books.one<{ least: number; n: number }>(
    'SELECT min(seq) AS least, count(*) AS n FROM payer_receipts',
  )!;
  expect(left.least).toBeLessThanOrEqual(250);
  expect(left.n).toBeGreaterThanOrEqual(51);
  expect(signAck(books, SESSION, CHANNEL, NOW)).toMatchObject({ seq: 300 });
});
