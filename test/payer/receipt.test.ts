import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keccak, utf8, ZERO_WORD } from '../../gateway/billing/formats/bytes.ts';
import { canonicalJson } from '../../gateway/billing/formats/canonical-json.ts';
import { receiptHash } from '../../gateway/billing/formats/documents.ts';
import type { ReceiptEvidence } from '../../gateway/billing/formats/wire.ts';
import { signRate } from '../../gateway/billing/tariff/snapshot.ts';
import { parseTariff, type Tariff, withRate } from '../../gateway/billing/tariff/tariff.ts';
import { refuting } from '../../gateway/payer/check/head.ts';
import {
  type CheckContext,
  checkReceipt,
  readChannel,
  receive,
  type Standing,
  signCeiling,
} from '../../gateway/payer/index.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { CHANNEL, headOf, key, SEPARATOR, SESSION, Seller, type Sold, sha, sign } from './seller.ts';
import { bought, escrowOf, openBooks } from './setting.ts';

const SEED = 20261122;
const price = fc.nat({ max: 1_000_000 }).map(String);
const tariffs: fc.Arbitrary<Tariff> = fc
  .record(
    {
      fixed: price,
      prices: fc.record(
        {
          inference: fc.oneof(
            price,
            fc
              .tuple(price, price, fc.integer({ min: 1, max: 9 }))
              .map(([a, b, upTo]) => [{ upTo, price: a }, { price: b }]),
          ),
          compute_us: price,
          byte_in: price,
        },
        { requiredKeys: [] },
      ),
      free: fc.record({ inference: fc.integer({ min: 1, max: 5 }) }),
      minimum: price,
      period: fc.constantFrom('ever', 'day', 'month'),
      hours: fc.constant({ utcOffsetMinutes: 60, factors: [{ from: '22:00', to: '06:00', ppm: 500_000 }] }),
    },
    { requiredKeys: ['prices'] },
  )
  .map((tariff) => parseTariff({ version: 1, name: 'any', ...tariff }));
const uses = fc.array(fc.record({ compute_us: fc.nat({ max: 9000 }), hours: fc.nat({ max: 400 }) }), {
  minLength: 1,
  maxLength: 12,
});

const START: Standing = {
  ...{ channelId: CHANNEL, seq: 0, cumulative: 0n, hash: ZERO_WORD, counted: undefined },
  ceiling: 2n ** 128n - 1n,
};

const contextOf = (standing: Standing, tariff: Tariff, { request, answer }: Sold): CheckContext => ({
  ...{ separator: SEPARATOR, standing, tariff, takeUnknown: false },
  own: {
    ...{
      model: 'room-comfort@1',
      sha: sha(request),
      bytes: request.length,
      billed: false,
      failed: undefined,
    },
    answer: { sha: sha(answer), bytes: answer.length, elapsedMs: 20 },
  },
});

/** Sells `given` and checks each; answers the last receipt with what was known before it. */
function sold(tariff: Tariff, given: readonly { compute_us: number; hours: number }[]) {
  const seller = new Seller(tariff);
  let standing = START;
  let at = 1_800_000_000_000;
  let last: { readonly sold: Sold; readonly context: CheckContext } | undefined;
  for (const [i, { compute_us, hours }] of given.entries()) {
    at += hours * 3_600_000;
    const one = seller.sell(`r-${i}`, { compute_us }, at);
    const context = contextOf(standing, tariff, one);
    const verdict = checkReceipt(one.evidence, context);
    expect(verdict).toMatchObject({ kind: 'accepted', seq: i + 1 });
    if (verdict.kind === 'accepted') standing = { ...standing, ...verdict };
    last = { sold: one, context };
  }
  return { ...last!, standing };
}

test(`every honest receipt is taken, by any tariff (seed ${SEED})`, () => {
  fc.assert(
    fc.property(tariffs, uses, (tariff, given) => void sold(tariff, given)),
    { seed: SEED, numRuns: 60 },
  );
});

/** Hashed again, as a gateway would that lies consistently. */
function forged(evidence: ReceiptEvidence, change: Partial<ReceiptEvidence['receipt']>, rest: object = {}) {
  const receipt = { ...evidence.receipt, ...change };
  return { ...evidence, ...rest, receipt, hash: receiptHash(SEPARATOR, receipt) };
}

describe('a gateway that lies consistently is found out', () => {
  const tariff = parseTariff({
    version: 1,
    name: 't',
    prices: { inference: '7', compute_us: '1' },
    minimum: '50',
  });
  const { sold: last, context } = sold(tariff, [
    { compute_us: 100, hours: 0 },
    { compute_us: 200, hours: 1 },
  ]);
  const { evidence } = last;
  const { receipt, usage } = evidence;
  const usageHash = (other: object) => keccak(utf8(canonicalJson(other)));
  const dearer = { ...usage, compute_us: 9200 };
  const cases: [string, string, ReceiptEvidence, Partial<CheckContext>?][] = [
    ['leaves out a number', 'chain', forged(evidence, { seq: 3 })],
    ['repeats a number', 'chain', forged(evidence, { seq: 1 })],
    ['has another past', 'chain', forged(evidence, { prevHash: sha('x') })],
    ['adds up wrongly', 'chain', forged(evidence, { cumulative: receipt.cumulative + 1n })],
    ['bills another channel', 'chain', forged(evidence, { channelId: sha('x') })],
    [
      'asks for more than the tariff says',
      'amount',
      forged(evidence, { amount: receipt.amount + 1n, cumulative: receipt.cumulative + 1n }),
    ],
    ['changes the tariff', 'tariff', forged(evidence, { tariffHash: sha('x') }), { tariff: undefined }],
    ['shows other usage than it hashed', 'usage', { ...evidence, usage: dearer }],
    ['counts more before than there was', 'usage', withBefore({ inference: 900 })],
    ['hides what was used before', 'usage', withoutBefore()],
    [
      'invents a quantity',
      'usage',
      forged(evidence, { usageHash: usageHash({ ...usage, x: 1 }) }, { usage: { ...usage, x: 1 } }),
    ],
    [
      'counts below zero',
      'usage',
      forged(
        evidence,
        { usageHash: usageHash({ ...usage, byte_in: -5 }) },
        { usage: { ...usage, byte_in: -5 } },
      ),
    ],
    ['says another compute time than it bills', 'usage', forged(evidence, { computeUs: 1 })],
    ['names another model', 'model', withModel({ ...evidence.model, name: 'other' })],
    ['names another version', 'model', withModel({ ...evidence.model, version: '2' })],
    [
      'shows another model than it hashed',
      'model',
      { ...evidence, model: { ...evidence.model, name: 'other' } },
    ],
    ['states another hash', 'hash', { ...evidence, hash: sha('x') }],
    ['commits to another answer', 'answer', { ...evidence, answerHash: sha('x') }],
    ['commits to another request', 'answer', { ...evidence, requestHash: sha('x') }],
    [
      'goes above the ceiling',
      'ceiling',
      evidence,
      { standing: { ...context.standing, ceiling: receipt.cumulative - 1n } },
    ],
    ['bills a request that was never made', 'request', evidence, { own: undefined }],
    ['bills twice', 'request', evidence, { own: { ...context.own!, billed: true } }],
    ['bills an error', 'request', evidence, { own: { ...context.own!, failed: 'DEADLINE' } }],
    ['bills more bytes than were sent', 'usage', evidence, { own: { ...context.own!, bytes: 1 } }],
    [
      'computes longer than it took',
      'usage',
      evidence,
      { own: { ...context.own!, answer: { ...context.own!.answer!, elapsedMs: -1001 } } },
    ],
    [
      'sends another answer than it bills',
      'answer',
      evidence,
      { own: { ...context.own!, answer: { ...context.own!.answer!, sha: sha('x') } } },
    ],
  ];
  function withBefore(quantities: object): ReceiptEvidence {
    const other = { ...usage, before: { ...usage.before!, quantities } };
    return forged(evidence, { usageHash: usageHash(other) }, { usage: other });
  }
  function withoutBefore(): ReceiptEvidence {
    const { before: _, ...rest } = usage;
    return forged(evidence, { usageHash: usageHash(rest) }, { usage: rest });
  }
  function withModel(model: ReceiptEvidence['model']): ReceiptEvidence {
    return forged(evidence, { modelHash: usageHash(model) }, { model });
  }
  test.each(cases)('%s', (_, code, lie, other = {}) => {
    expect(checkReceipt(lie, { ...context, ...other })).toMatchObject({ kind: 'refused', code });
  });

  test('an answer that has not come is waited for', () => {
    const { answer: _, ...own } = context.own!;
    expect(checkReceipt(evidence, { ...context, own })).toEqual({ kind: 'waits' });
  });

  test('requests of others are taken where that is wanted', () => {
    const others = { ...context, own: undefined, takeUnknown: true };
    expect(checkReceipt(evidence, others)).toMatchObject({ kind: 'accepted' });
  });
});

test(`a claim is refuted by exactly the heads that the ledger takes (seed ${SEED})`, () => {
  const head = fc.record({
    seq: fc.integer({ min: 1, max: 6 }),
    cumulative: fc.bigInt({ min: 0n, max: 50n }),
    word: fc.nat({ max: 2 }),
  });
  fc.assert(
    fc.property(fc.array(head, { maxLength: 6 }), head, (given, claimed) => {
      const heads = given.map(({ seq, cumulative, word }) => ({
        ...{ seq, cumulative },
        receiptHash: sha(`${word}`),
        signature: new Uint8Array(65),
      }));
      const held = escrowOf(100n, {
        held: claimed.cumulative,
        heldSeq: claimed.seq,
        heldHash: sha(`${claimed.word}`),
      });
      const able = heads.filter(
        (one) =>
          held.held > 0n &&
          ((one.seq === held.heldSeq && Buffer.compare(one.receiptHash, held.heldHash) !== 0) ||
            (one.seq >= held.heldSeq && one.cumulative < held.held)),
      );
      const found = refuting(held, heads);
      expect(found === undefined).toBe(able.length === 0);
      if (found) expect(able).toContain(found);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test('the head over an honest receipt refutes nothing honest', () => {
  const { evidence } = new Seller(parseTariff({ version: 1, name: 't', prices: { inference: '7' } })).sell(
    'r',
  );
  const head = headOf(evidence);
  const claim = escrowOf(100n, { held: 7n, heldSeq: 1, heldHash: evidence.hash });
  expect(refuting(claim, [head])).toBeUndefined();
  expect(refuting({ ...claim, held: 8n }, [head])).toBe(head);
  expect(refuting({ ...claim, heldHash: sha('other') }, [sign({ ...head })])).toBeDefined();
});

describe('prices in a currency', () => {
  const signer = key('whom the tariff names for its rate');
  const priced = parseTariff({
    ...{ version: 1, name: 'euro', prices: { inference: '1000', compute_us: '3' } },
    currency: { code: 'EUR', signer: signer.address },
  });
  const T = 1_800_000_000_000;
  const rateAt = (aimx: string, by = signer) =>
    signRate({ currency: 'EUR', aimx, observedAt: T, validUntil: T + 3_600_000, source: 'a test' }, by);
  const open = () => {
    const books = openBooks(temporaryFolder(), priced);
    signCeiling(books, SESSION, CHANNEL, { window: 10n ** 12n, validForMs: 1e6, now: T });
    return books;
  };

  test('receipts bring the rate that they are by, and a new one does not begin a new count', () => {
    const books = open();
    const seller = new Seller(withRate(priced, rateAt('1500000000000000001')));
    const buy = (one: Sold) => {
      bought(books, one);
      return receive(books, one.evidence, T, { takeUnknown: false });
    };
    expect(buy(seller.sell('a', {}, T))).toMatchObject({ seq: 1 });
    seller.changeTariff(withRate(priced, rateAt('2000000000000000003')));
    expect(buy(seller.sell('b', {}, T))).toMatchObject({ seq: 2 });
    expect(readChannel(books, CHANNEL).refusal).toBeUndefined();
  });

  test.each([
    ['signed by somebody else', rateAt('9', key('somebody')), T],
    ['that has expired', rateAt('9'), T + 4_000_000],
  ])('a rate %s is refused', (_, rate, at) => {
    const books = open();
    const seller = new Seller({
      ...withRate(priced, rateAt('9')),
      exchange: { aimx: 9n, validUntil: Number.MAX_SAFE_INTEGER },
    });
    const one = seller.sell('a', {}, at);
    bought(books, one);
    receive(books, { ...one.evidence, rate }, at, { takeUnknown: false });
    expect(readChannel(books, CHANNEL)).toMatchObject({ seq: 0, refusal: { code: 'tariff' } });
  });
});
