import { expect, onTestFinished, test } from 'vitest';
import { configSchema } from '../../gateway/config/schema.ts';
import type { Outbound } from '../../gateway/ports/publisher.ts';
import { createAlarmStream } from '../../gateway/system/alarm-stream.ts';
import { createAlarms } from '../../gateway/system/alarms.ts';
import { openAlarms } from '../../gateway/system/document-streams.ts';
import { readAll, startedStore } from '../store/support.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';

const config = configSchema.parse({ gateway: { name: 'gw' } });
const alarm = (kind: string, message = 'too hot') => ({
  kind,
  severity: 'warning' as const,
  message,
  fix: 'open a window',
});

async function run(dir: string) {
  const clock = manualClock(Date.UTC(2026, 5, 1));
  const { store } = await startedStore(dir);
  const log = recordingLog();
  const board = createAlarms(log);
  const published: Outbound[] = [];
  const broker = { down: false, tries: 0 };
  const publisher = {
    async publish(messages: readonly Outbound[]) {
      broker.tries++;
      if (broker.down) throw new Error('not connected');
      published.push(...messages);
    },
  };
  const part = createAlarmStream({ config, board, store, publisher, clock, log });
  const journal = async () =>
    (await readAll(openAlarms(store, config))).map(
      ({ value }) => JSON.parse(value) as Record<string, unknown>,
    );
  const stop = async () => {
    await part.stop();
    await store.stop();
  };
  onTestFinished(stop);
  return { clock, board, broker, published, part, journal, stop };
}

const states = (messages: readonly Outbound[]) =>
  messages.map(
    ({ topic, payload }) => `${topic} ${(JSON.parse(String(payload)) as { state: string }).state}`,
  );

test('every change is journalled with an id of its own and published, also what was raised before the start', async () => {
  const { board, part, published, journal } = await run(temporaryFolder());
  board.raise(alarm('early'));
  await part.start(new AbortController().signal);
  board.raise(alarm('late'));
  board.raise(alarm('late', 'hotter'));
  board.clear('late');
  await until(async () => (await journal()).length === 4, 'the journal');
  const documents = await journal();
  expect(documents.map(({ kind, state, message }) => [kind, state, message])).toEqual([
    ['early', 'raised', 'too hot'],
    ['late', 'raised', 'too hot'],
    ['late', 'raised', 'hotter'],
    ['late', 'cleared', undefined],
  ]);
  expect(new Set(documents.map(({ id }) => id)).size).toBe(4);
  await until(() => published.length >= 2, 'the local copies');
  expect(states(published).at(-1)).toBe('aimx/alarm/late cleared');
  expect(published.every(({ retain, qos }) => retain && qos === 1)).toBe(true);
});

test('a broker that is away gets the newest state of each kind when it is back', async () => {
  const { clock, board, broker, part, published } = await run(temporaryFolder());
  broker.down = true;
  await part.start(new AbortController().signal);
  board.raise(alarm('a'));
  board.raise(alarm('b'));
  board.clear('a');
  await until(() => broker.tries > 0, 'a first try');
  broker.down = false;
  const both = () => {
    clock.advance(100);
    return published.length === 2;
  };
  await until(both, 'both kinds');
  expect(states(published).sort()).toEqual(['aimx/alarm/a cleared', 'aimx/alarm/b raised']);
});

test('what an earlier run left raised is cleared when nobody raises it again', async () => {
  const dir = temporaryFolder();
  const first = await run(dir);
  await first.part.start(new AbortController().signal);
  for (const kind of ['over', 'holds', 'cleared']) first.board.raise(alarm(kind));
  first.board.clear('cleared');
  await until(async () => (await first.journal()).length === 4, 'the journal');
  await first.stop();

  const second = await run(dir);
  await second.part.start(new AbortController().signal);
  second.board.raise(alarm('holds'));
  second.clock.advance(60_000);
  await until(async () => (await second.journal()).length === 6, 'two more changes');
  expect((await second.journal()).slice(4).map(({ kind, state }) => `${kind} ${state}`)).toEqual([
    'holds raised',
    'over cleared',
  ]);
});
