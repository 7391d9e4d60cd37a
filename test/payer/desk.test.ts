import { hash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../gateway/billing/formats/bytes.ts';
import { writeReceipt, writeStatement } from '../../gateway/billing/formats/wire.ts';
import { Desk, listIncidents, readChannel, setLimit } from '../../gateway/payer/index.ts';
import { readRequests, sendRequests } from '../../gateway/payer/requests.ts';
import type { LinkAnswer, LinkReply, PayerLink } from '../../gateway/ports/payer-link.ts';
import { manualClock } from '../support/clock.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { CHANNEL, headOf, SESSION, Seller, type Sold } from './seller.ts';
import { bought, FLAT, NOW, openBooks } from './setting.ts';

const SIGNAL = new AbortController().signal;
const away = { ok: false, kind: 'unreachable', reason: 'cut' } as const;
const refusedBy = (code: string): LinkAnswer<LinkReply> => ({
  ok: true,
  value: { body: new Uint8Array(), error: { code, message: 'no' } },
});

/** An answer as it goes over the wire: the receipt is its last member. */
const withReceipt = (bare: Buffer, receipt: object): Buffer =>
  Buffer.from(`${bare.subarray(0, -1).toString()},"receipt":${JSON.stringify(receipt)}}`);

/** A gateway in memory: bills each id once, keeps answers, and does what `before` says in place of it. */
function gateway(seller = new Seller(FLAT)) {
  const answers = new Map<string, { body: Uint8Array; sold: Sold }>();
  const delivered: { kind: string; document: Record<string, string> }[] = [];
  const before: ((id: string) => LinkAnswer<LinkReply> | 'lose the answer' | undefined)[] = [];
  const link: PayerLink = {
    target: 'memory',
    async infer(_model, id, body) {
      const step = before.shift()?.(id);
      if (typeof step === 'object') return step;
      if (!answers.has(id)) {
        const bare = Buffer.from(JSON.stringify({ id, outputs: [{ data: [1, 2] }] }));
        const sha = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');
        const sold = seller.sell(id, { byte_in: body.length, byte_out: bare.length }, NOW, {
          request: sha(body),
          answer: sha(bare),
        });
        answers.set(id, { body: withReceipt(bare, writeReceipt(sold.evidence)), sold });
      }
      return step === 'lose the answer' ? away : { ok: true, value: { body: answers.get(id)!.body } };
    },
    async deliver(_channel, kind, document) {
      delivered.push({ kind, document: document as Record<string, string> });
      return { ok: true, value: null };
    },
    async receipts(_channel, from, limit) {
      const all = [...answers.values()].map(({ sold }) => writeReceipt(sold.evidence));
      return { ok: true, value: all.slice(from - 1, from - 1 + limit) };
    },
    channel: async () => ({
      ok: true,
      value: { head: writeStatement(headOf([...answers.values()].at(-1)!.sold.evidence)) },
    }),
    close: async () => {},
  };
  return { link, answers, delivered, before };
}

function setting(takeUnknown = false) {
  const books = openBooks(temporaryFolder());
  const clock = manualClock(NOW);
  const far = gateway();
  const desk = () =>
    new Desk(
      { books, session: SESSION, link: far.link, clock, channel: CHANNEL },
      { takeUnknown, window: 2 },
    );
  return { books, clock, ...far, desk };
}

const request = (id: string): object => ({ id, inputs: [{ name: 'x', data: [1] }] });

describe('a desk', () => {
  test('asks, checks, acknowledges, and raises the ceiling before it is reached', async () => {
    const { books, desk, delivered } = setting();
    const one = desk();
    await one.settle({ ack: true });
    for (let i = 0; i < 12; i++) {
      expect(
        await one.ask(one.prepare('room-comfort', { ...request(`r-${i}`), more: 'x'.repeat(1500) }), SIGNAL),
      ).toMatchObject({
        kind: 'answered',
      });
      await one.settle({ ack: true });
    }
    expect(readChannel(books, CHANNEL)).toMatchObject({ seq: 12, ackedSeq: 12, refusal: undefined });
    const ceilings = delivered.filter(({ kind }) => kind === 'ceiling').length;
    expect(ceilings).toBeGreaterThan(1);
    expect(ceilings).toBeLessThan(12);
    expect(delivered.filter(({ kind }) => kind === 'ack').map(({ document }) => document.seq)).toEqual(
      Array.from({ length: 12 }, (_, i) => String(i + 1)),
    );
  });

  test('asks again with the same bytes when the answer was lost, also after a restart, and pays once', async () => {
    const { books, desk, before, answers } = setting();
    await desk().settle({ ack: true });
    before.push(() => 'lose the answer');
    const lost = desk().prepare('room-comfort', request('r'));
    expect(await desk().ask(lost, SIGNAL)).toMatchObject({ kind: 'later', code: 'PAYER_GATEWAY' });
    const [open] = desk().open(10);
    expect(Buffer.from(open!.body).equals(lost.body)).toBe(true);
    await desk().fetchMissing(); // the receipt is there before its answer: it waits
    expect(readChannel(books, CHANNEL).seq).toBe(0);
    expect(await desk().ask(open!, SIGNAL)).toMatchObject({ kind: 'answered' });
    expect(readChannel(books, CHANNEL)).toMatchObject({ seq: 1, refusal: undefined });
    expect(answers.size).toBe(1);
    expect(desk().open(10)).toEqual([]);
  });

  test('asks for an answer that nobody waits for any more, but not for one that may still come', async () => {
    const { books, clock, desk, before } = setting(true);
    await desk().settle({ ack: true });
    before.push(() => 'lose the answer');
    await desk().ask(desk().prepare('room-comfort', request('r')), SIGNAL);
    expect(await desk().fetchMissing()).toMatchObject({ value: { waitsFor: 'r' } });
    await desk().askAgain('r', 60_000);
    expect(readChannel(books, CHANNEL).seq).toBe(0);
    clock.advance(61_000);
    await desk().askAgain('r', 60_000);
    expect(readChannel(books, CHANNEL)).toMatchObject({ seq: 1, refusal: undefined });
  });

  test('signs no ceiling before the time is known', async () => {
    const { clock, desk, delivered } = setting();
    clock.setSynced(false);
    await desk().settle({ ack: true });
    expect(delivered).toEqual([]);
    clock.setSynced(true);
    await desk().settle({ ack: true });
    expect(delivered).toHaveLength(1);
  });

  test('hands the ceiling over again when the gateway misses it', async () => {
    const { clock, desk, before, delivered } = setting();
    before.push(() => refusedBy('CHANNEL_CEILING'));
    const one = desk();
    const answered: string[] = [];
    const sending = sendRequests([one.prepare('room-comfort', request('r'))], {
      ...{ desk: one, clock, concurrency: 2, patience: 60_000, ackEvery: 1, signal: SIGNAL },
      onAnswer: ({ kind }) => answered.push(kind),
    });
    for (let i = 0; i < 50 && answered.length === 0; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(200);
    }
    await sending;
    expect(answered).toEqual(['answered']);
    expect(delivered.map(({ kind }) => kind)).toContain('ceiling');
  });

  test('signs nothing for a gateway that bills what was never asked', async () => {
    const { books, desk, delivered, link } = setting();
    await desk().settle({ ack: true });
    await link.infer('room-comfort', 'invented', Buffer.from('{}'), SIGNAL);
    await desk().fetchMissing();
    await expect(desk().settle({ ack: true })).rejects.toMatchObject({ code: 'PAYER_REFUSED' });
    expect(readChannel(books, CHANNEL)).toMatchObject({ seq: 0, refusal: { code: 'request' } });
    expect(delivered.filter(({ kind }) => kind === 'ack')).toEqual([]);
  });

  test('acknowledges for other clients where it is told to', async () => {
    const { books, desk, delivered, link } = setting(true);
    await desk().settle({ ack: true });
    for (const id of ['a', 'b']) await link.infer('room-comfort', id, Buffer.from('{}'), SIGNAL);
    expect(await desk().fetchMissing()).toMatchObject({ value: { seq: 2 } });
    await desk().settle({ ack: true });
    expect(delivered.at(-1)).toMatchObject({ kind: 'ack', document: { seq: '2' } });
    expect(readChannel(books, CHANNEL).refusal).toBeUndefined();
  });

  test('keeps to a limit for a model, and one id to one request', async () => {
    const { books, desk } = setting();
    await desk().settle({ ack: true });
    const one = desk().prepare('room-comfort', request('r'));
    expect(desk().prepare('room-comfort', request('r')).body).toEqual(one.body);
    expect(() => desk().prepare('room-comfort', { ...request('r'), more: 1 })).toThrow(
      expect.objectContaining({ code: 'REQUEST_CONFLICT' }),
    );
    setLimit(books, 'model', 'room-comfort', 1n);
    expect(() => desk().prepare('room-comfort@1', request('s'))).toThrow(
      expect.objectContaining({ code: 'PAYER_LIMIT' }),
    );
    expect(() => desk().prepare('other', request('s'))).not.toThrow();
  });

  test('what a gateway says is noted, not believed: receipts and heads that cannot be read, another channel', async () => {
    const { books, desk } = setting();
    const { evidence } = new Seller(FLAT).sell('r');
    const other = { ...writeReceipt(evidence), channelId: toHex(new Uint8Array(32).fill(7)) };
    const lies: PayerLink = {
      ...{ target: 'lies', deliver: async () => away, infer: async () => away, close: async () => {} },
      receipts: async () => ({ ok: true, value: [null, {}, { ...writeReceipt(evidence), seq: -1 }, other] }),
      channel: async () => ({ ok: true, value: { head: { seq: 'x' } } }),
    };
    const parts = { books, session: SESSION, link: lies, clock: manualClock(NOW), channel: CHANNEL };
    await new Desk(parts, { takeUnknown: true }).fetchMissing();
    expect(listIncidents(books, 9).map(({ code }) => code)).toEqual([
      'head',
      'chain',
      'receipt',
      'receipt',
      'receipt',
    ]);
    expect(readChannel(books, CHANNEL)).toMatchObject({ seq: 0, refusal: undefined });
    bought(books, new Seller(FLAT).sell('r'));
    expect(desk().open(9)).toEqual([]);
  });
});

test('requests are read line by line, in whatever pieces they come, and a false line is named', async () => {
  const text = `${JSON.stringify({ id: 'ä' })}\n\n${JSON.stringify({ id: 'b' })}\nnot json`;
  async function* pieces() {
    for (const byte of Buffer.from(text)) yield Uint8Array.of(byte);
  }
  const ids: unknown[] = [];
  const reading = async () => {
    for await (const one of readRequests(pieces(), (document) => document as never)) ids.push(one.id);
  };
  await expect(reading()).rejects.toMatchObject({ code: 'REQUEST_INVALID', message: 'line 4 is not JSON' });
  expect(ids).toEqual(['ä', 'b']);
});
