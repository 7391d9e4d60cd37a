import { join } from 'node:path';
import { expect, it } from 'vitest';
import { reportSchema } from '../../gateway/benchmark/report.ts';
import { benchModel } from '../../gateway/benchmark/run.ts';
import { createAlarms } from '../../gateway/system/alarms.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingLog } from '../support/log.ts';

const models = join(import.meta.dirname, '../../models');

it('takes a bundled model through every scenario and checks its golden samples', {
  timeout: 120_000,
}, async () => {
  const log = recordingLog();
  const seen = new Set<string>();
  const result = await benchModel(
    join(models, 'room-comfort'),
    {
      scenarios: ['SingleStream', 'MultiStream', 'Offline', 'Server'],
      seconds: 0.1,
      seed: 5,
      latencyBoundMs: 60_000,
      rate: 50,
    },
    {
      clock: systemClock(),
      log,
      alarms: createAlarms(log),
      signal: new AbortController().signal,
      progress: (what) => seen.add(what),
    },
  );
  expect(result.error).toBeUndefined();
  expect(result).toMatchObject({ runtime: 'onnx', inputs: 'golden', model: { name: 'room-comfort' } });
  expect(result.accuracy!.right).toBe(result.accuracy!.samples);
  expect(result.scenarios.map(({ scenario }) => scenario)).toEqual([
    'SingleStream',
    'MultiStream',
    'Offline',
    'Server',
  ]);
  for (const { failed, throughput, latency } of result.scenarios) {
    expect(failed).toBe(0);
    expect(throughput).toBeGreaterThan(0);
    expect(latency.p99).toBeGreaterThanOrEqual(latency.p50);
  }
  expect(result.scenarios[3]).toMatchObject({ rate: 50, withinBound: true });
  expect(reportSchema.shape.models.element.parse(result)).toEqual(result);
  expect([...seen]).toContain('room-comfort@1 Server');
});
