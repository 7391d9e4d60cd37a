import { expect, test } from 'vitest';
import { createStatusTopic } from '../../gateway/system/status-topic.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';

function topic() {
  const said: unknown[] = [];
  const broker = { down: false };
  const publisher = {
    async publish(messages: readonly { topic: string; payload: string | Uint8Array; retain: boolean }[]) {
      if (broker.down) throw new Error('not connected');
      for (const { topic, payload, retain } of messages) {
        expect([topic, retain]).toEqual(['aimx/status', true]);
        said.push(JSON.parse(String(payload)));
      }
    },
  };
  const log = recordingLog();
  return {
    said,
    broker,
    log,
    ...createStatusTopic({ publisher, gateway: 'gw', clock: manualClock(1000), log }),
  };
}

test('is offline until everything runs, even if an earlier run was cut off, and again at the end', async () => {
  const { said, first, last } = topic();
  const { signal } = new AbortController();
  await first.start(signal);
  await last.start(signal);
  await last.stop();
  await last.stop();
  await first.stop();
  const common = { gateway: 'gw', version: expect.any(String) };
  expect(said).toEqual([
    { state: 'offline', ...common },
    { state: 'online', ...common, startedAt: 1000 },
    { state: 'offline', ...common, startedAt: 1000 },
  ]);
});

test('a broker that is away stops nothing, and is told of in the log', async () => {
  const { broker, first, last, log } = topic();
  broker.down = true;
  await first.start(new AbortController().signal);
  await last.start(new AbortController().signal);
  expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(2);
});
