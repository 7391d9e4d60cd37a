/** The bundled models through the scenarios of `aimx-gateway bench`. */
import { join } from 'node:path';
import { metricOf } from '../../../gateway/benchmark/compare.ts';
import { benchModel } from '../../../gateway/benchmark/run.ts';
import { scanBundles } from '../../../gateway/inference/registry.ts';
import { createAlarms } from '../../../gateway/system/alarms.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { createLog } from '../../../gateway/system/log.ts';
import type { Figure } from '../figure.ts';

export const models: Figure = {
  id: 'MODELS',
  title: 'the bundled models through the scenarios of `aimx-gateway bench`',
  must: 'every golden sample right, no failed sample',
  stretch: 'figures to compare with other boards',
  async run(context) {
    const stopper = new AbortController();
    context.cleanUp(() => stopper.abort());
    const log = createLog({ level: 'silent' });
    const rounds: Record<string, number[]> = {};
    let right = 0;
    let wrong = 0;
    for (const { folder } of scanBundles([join(import.meta.dirname, '../../../models')]).bundles) {
      const result = await benchModel(
        folder,
        {
          scenarios: ['SingleStream', 'MultiStream', 'Offline', 'Server'],
          seconds: context.quick ? 1 : 5,
          seed: 1,
          latencyBoundMs: 20,
        },
        {
          clock: systemClock(),
          log,
          alarms: createAlarms(log),
          signal: stopper.signal,
          progress: () => undefined,
        },
      );
      const { name, version } = result.model;
      if (result.error) throw new Error(`${name}@${version}: ${result.error.message}`);
      right += result.accuracy?.right ?? 0;
      wrong += (result.accuracy?.samples ?? 0) - (result.accuracy?.right ?? 0);
      for (const scenario of result.scenarios) {
        const metric = metricOf(scenario);
        rounds[`${name}@${version} ${scenario.scenario} ${metric.name}`] = [metric.value];
        wrong += scenario.failed;
      }
      context.say(`${name}@${version} done`);
    }
    return { values: { goldenRight: right, wrong }, holds: wrong === 0, rounds };
  },
};
