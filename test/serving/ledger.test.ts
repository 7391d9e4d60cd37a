import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { InferenceReply } from '../../gateway/ports/serving.ts';
import { keptFolder, temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { type Desk, openDesk, request } from './desk.ts';

async function desk(dir = temporaryFolder(), config: object = {}): Promise<Desk> {
  const made = await openDesk(dir, config);
  onTestFinished(() => made.crash());
  return made;
}

async function running(dir?: string, config: object = {}): Promise<Desk> {
  const made = await desk(dir, config);
  await made.serving.start(new AbortController().signal);
  return made;
}

/** For tests that leave nothing behind but their ids. */
let shared: Desk;
const { folder, remove } = keptFolder();
beforeAll(async () => {
  shared = await openDesk(folder);
  await shared.serving.start(new AbortController().signal);
});
afterAll(async () => {
  await shared.crash();
  remove();
});

const outputOf = ({ body }: InferenceReply): unknown =>
  (JSON.parse(Buffer.from(body).toString()) as { outputs: { data: unknown }[] }).outputs[0]!.data;

const TOPIC = { reply: { address: { topic: 'aimx/reply/c1' }, mayUse: () => false } };

test('an id is answered and billed once: repetitions get the stored answer, other bodies a conflict', async () => {
  const { ask, inference, receipts, counts } = shared;
  const first = await ask(request('a', 1));
  expect(outputOf(first)).toEqual([1]);
  const again = await ask(request('a', 1));
  expect(again).toMatchObject({ status: 200, repeated: true, id: 'a' });
  expect(Buffer.from(again.body)).toEqual(Buffer.from(first.body));
  expect(await ask(request('a', 2))).toMatchObject({ status: 409, code: 'REQUEST_CONFLICT' });
  // Ids belong to their account.
  expect(outputOf(await ask(request('a', 3), { account: 'consumer/d' }))).toEqual([3]);
  expect(inference.calls.length).toBe(2);
  expect(await receipts()).toEqual(['a', 'a']);
  expect(await counts()).toEqual({ open: 0, answers: 2, owed: 0 });
});

test('repetitions join the request that is under way', async () => {
  const { ask, inference, receipts } = shared;
  inference.calls.length = 0;
  inference.immediate = false;
  const both = [ask(request('j', 1)), ask(request('j', 1))];
  await until(() => inference.calls.length === 1, 'the call');
  both.push(ask(request('j', 1)));
  expect(await ask(request('j', 2))).toMatchObject({ code: 'REQUEST_CONFLICT' });
  inference.calls[0]!.answer();
  expect((await Promise.all(both)).map(outputOf)).toEqual([[1], [1], [1]]);
  expect(inference.calls.length).toBe(1);
  expect((await receipts()).filter((id) => id === 'j')).toEqual(['j']);
  inference.immediate = true;
});

test('without an id nothing is kept but the receipt', async () => {
  const { ask, counts, receipts } = shared;
  const before = await counts();
  const reply = await ask(request(undefined, 1));
  const durable = await ask(request(undefined, 1), { durable: true });
  expect([reply.id, durable.id].every((id) => id!.startsWith('~'))).toBe(true);
  expect(await counts()).toEqual(before);
  expect(await receipts()).toEqual(expect.arrayContaining([reply.id, durable.id]));
});

test('errors are terminal answers too, unless the request may be sent again', async () => {
  const { ask, inference, counts, receipts } = shared;
  inference.immediate = false;
  const failing = async (id: string, code: string): Promise<InferenceReply> => {
    const reply = ask(request(id, 1));
    const before = inference.calls.length;
    await until(() => inference.calls.length > before, 'the call');
    inference.calls[before]!.answer({ ok: false, code, message: 'because' });
    return reply;
  };
  expect(await failing('p', 'POISON')).toMatchObject({ status: 422, code: 'POISON', message: 'because' });
  expect(await ask(request('p', 1))).toMatchObject({ status: 422, code: 'POISON', repeated: true });
  expect(await failing('q', 'QUEUE_FULL')).toMatchObject({ status: 429, code: 'QUEUE_FULL' });
  inference.immediate = true;
  expect(outputOf(await ask(request('q', 1)))).toEqual([1]);
  expect(await ask(request('m', 1), { model: 'none' })).toMatchObject({ status: 404, code: 'MODEL_MISSING' });
  expect(await ask('{"id":"s"}')).toMatchObject({ status: 400, code: 'REQUEST_INVALID', id: 's' });
  expect(await receipts()).toContain('q');
  expect(await receipts()).not.toContain('p');
  expect((await counts()).open).toBe(0);
});

test('past its deadline a request is answered so, once, and what comes late is dropped and not billed', async () => {
  const { ask, inference, receipts } = shared;
  inference.calls.length = 0;
  inference.immediate = false;
  const reply = await ask(request('late', 1, { deadline_ms: 30 }));
  expect(reply).toMatchObject({ status: 504, code: 'DEADLINE' });
  inference.calls[0]!.answer();
  expect(await ask(request('late', 1, { deadline_ms: 30 }))).toMatchObject({
    code: 'DEADLINE',
    repeated: true,
  });
  // Nothing left of it: not even asked of the model.
  expect(await ask(request('none', 1, { deadline_ms: 0 }))).toMatchObject({ code: 'DEADLINE' });
  expect(inference.calls.length).toBe(1);
  expect(await receipts()).not.toContain('late');
  inference.immediate = true;
});

test('what was accepted is answered after a crash: computed again, or too late, and once', async () => {
  const dir = temporaryFolder();
  const before = await openDesk(dir);
  await before.serving.start(new AbortController().signal);
  before.inference.immediate = false;
  const accepted: string[] = [];
  for (const [id, ms] of [
    ['fast', 1],
    ['slow', 60_000],
    [undefined, 60_000],
  ] as const) {
    void before.ask(request(id, 7, { deadline_ms: ms }), {
      ...TOPIC,
      durable: true,
      accepted: (error) => accepted.push(`${id} ${error}`),
    });
  }
  await until(() => accepted.length === 3, 'the acceptance');
  expect(accepted).toEqual(['fast null', 'slow null', 'undefined null']);
  await before.crash();

  const after = await desk(dir);
  const early = after.ask(request('slow', 7, { deadline_ms: 60_000 }));
  await after.serving.start(new AbortController().signal);
  expect(outputOf(await early)).toEqual([7]);
  const sent = () =>
    [...before.publisher.sent, ...after.publisher.sent].map(({ topic, payload }) => {
      const { id, error } = JSON.parse(Buffer.from(payload as Uint8Array).toString()) as {
        id: string;
        error?: { code: string };
      };
      return `${topic} ${id.startsWith('~') ? '~' : id} ${error?.code ?? 'answer'}`;
    });
  // What was sent while the store closed is sent again, the same.
  const different = () => [...new Set(sent())].sort();
  await until(() => different().length === 3, 'the answers');
  expect(different()).toEqual([
    'aimx/reply/c1 fast DEADLINE',
    'aimx/reply/c1 slow answer',
    'aimx/reply/c1 ~ answer',
  ]);
  await until(async () => (await after.counts()).owed === 0, 'all sent');
  expect((await after.counts()).open).toBe(0);
  expect((await after.receipts()).length).toBe(2);
});

test('an answer that the broker does not take is owed until it does, also after a crash', async () => {
  const dir = temporaryFolder();
  const before = await openDesk(dir);
  await before.serving.start(new AbortController().signal);
  before.publisher.down = true;
  await before.ask(request('a', 1), { ...TOPIC, durable: true });
  expect(await before.counts()).toEqual({ open: 0, answers: 1, owed: 1 });
  await before.serving.stop();
  await before.crash();

  const { publisher, counts } = await running(dir);
  await until(() => publisher.sent.length === 1, 'the answer');
  expect(publisher.sent[0]).toMatchObject({ topic: 'aimx/reply/c1', qos: 1 });
  await until(async () => (await counts()).owed === 0, 'no longer owed');
});

test('more than may wait is refused and counted; kept answers are bounded, the oldest out first', async () => {
  const { ask, inference, serving, counts } = await running(undefined, { maxInFlight: 2, maxAnswers: 3 });
  inference.immediate = false;
  const waiting = [ask(request('1', 1)), ask(request('2', 1))];
  expect(await ask(request('3', 1))).toMatchObject({ status: 429, code: 'QUEUE_FULL' });
  expect(serving.stats().shed).toBe(1);
  await until(() => inference.calls.length === 2, 'the calls');
  for (const { answer } of inference.calls) answer();
  await Promise.all(waiting);
  inference.immediate = true;
  for (const id of ['3', '4', '5', '6']) await ask(request(id, 1));
  expect((await counts()).answers).toBe(3);
  expect((await ask(request('6', 1))).repeated).toBe(true);
  // Its answer is gone: it is computed again, and billed no second time.
  expect((await ask(request('1', 1))).repeated).toBe(false);
});

test('an id that was billed with another body before the ledger forgot it is a conflict', async () => {
  const { ask, receipts } = await running(undefined, { maxAnswers: 1 });
  await ask(request('a', 1));
  await ask(request('b', 1));
  expect(await ask(request('a', 2))).toMatchObject({ status: 409, code: 'BILLING_CONFLICT' });
  expect((await receipts()).sort()).toEqual(['a', 'b']);
});

test('a stop answers who holds a connection, and leaves the rest for the next start', async () => {
  const dir = temporaryFolder();
  const before = await openDesk(dir);
  await before.serving.start(new AbortController().signal);
  before.inference.immediate = false;
  const held = before.ask(request('http', 1));
  void before.ask(request('mqtt', 1), { ...TOPIC, durable: true });
  await until(() => before.inference.calls.length === 2, 'the calls');
  await before.serving.stop();
  expect(await held).toMatchObject({ status: 503, code: 'STOPPING' });
  expect(await before.ask(request('x', 1))).toMatchObject({ code: 'STOPPING' });
  await before.crash();
  const { publisher, ask } = await running(dir);
  await until(() => publisher.sent.length === 1, 'the answer');
  expect((await ask(request('http', 1))).repeated).toBe(true);
});
