import { expect, it } from 'vitest';
import { Lifecycle, type Part } from '../../gateway/system/lifecycle.ts';
import { recordingLog } from '../support/log.ts';

function recorder(names: string[], fail: { start?: string; stop?: string } = {}) {
  const calls: string[] = [];
  const parts = names.map(
    (name): Part => ({
      name,
      async start() {
        calls.push(`start ${name}`);
        if (fail.start === name) throw new Error(`${name} cannot start`);
      },
      async stop() {
        calls.push(`stop ${name}`);
        if (fail.stop === name) throw new Error(`${name} cannot stop`);
      },
    }),
  );
  return { calls, parts };
}

it('starts in order and stops in reverse, once', async () => {
  const { calls, parts } = recorder(['store', 'door']);
  const life = new Lifecycle(parts, recordingLog());
  await life.start(new AbortController().signal);
  await life.stop();
  await life.stop();
  expect(calls).toEqual(['start store', 'start door', 'stop door', 'stop store']);
});

it('undoes a start that failed half-way, the failing part included', async () => {
  const { calls, parts } = recorder(['store', 'door', 'sink'], { start: 'door' });
  const life = new Lifecycle(parts, recordingLog());
  await expect(life.start(new AbortController().signal)).rejects.toThrow('door cannot start');
  expect(calls).toEqual(['start store', 'start door', 'stop door', 'stop store']);
});

it('stops the others when one does not stop cleanly, and says so', async () => {
  const { calls, parts } = recorder(['store', 'door'], { stop: 'door' });
  const log = recordingLog();
  const life = new Lifecycle(parts, log);
  await life.start(new AbortController().signal);
  await life.stop();
  expect(calls.at(-1)).toBe('stop store');
  expect(log.lines.some((line) => line.level === 'error' && line.message.includes('door'))).toBe(true);
});

it('starts nothing more once it is aborted', async () => {
  const { calls, parts } = recorder(['store']);
  await expect(new Lifecycle(parts, recordingLog()).start(AbortSignal.abort())).rejects.toThrow();
  expect(calls).toEqual(['stop store']);
});
