import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { startEnergyMeter } from '../../gateway/benchmark/energy.ts';
import { startMeter } from '../../gateway/benchmark/process-meter.ts';
import { temporaryFolder } from '../support/tmp.ts';

function sys(files: Record<string, string>): { root: string; put(name: string, content: string): void } {
  const root = temporaryFolder();
  const put = (name: string, content: string): void => {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  };
  for (const [name, content] of Object.entries(files)) put(name, content);
  return { root, put };
}

it('reads energy counters, also over their wrap-around', () => {
  const zone = 'class/powercap/intel-rapl:0';
  const { root, put } = sys({
    [`${zone}/energy_uj`]: '900000\n',
    [`${zone}/max_energy_range_uj`]: '1000000\n',
    [`${zone}/name`]: 'package-0\n',
    'class/powercap/intel-rapl:0:0/energy_uj': '1\n',
  });
  const meter = startEnergyMeter(root)!;
  put(`${zone}/energy_uj`, '400000\n');
  expect(meter.stop()).toEqual({ joules: 0.5, source: 'rapl package-0' });
});

it('integrates the power of a board sensor', async () => {
  const { root } = sys({
    'class/hwmon/hwmon0/name': 'cpu_thermal\n',
    'class/hwmon/hwmon1/name': 'ina3221\n',
    'class/hwmon/hwmon1/in1_input': '5000\n',
    'class/hwmon/hwmon1/in1_label': 'VDD_IN\n',
    'class/hwmon/hwmon1/curr1_input': '2000\n',
  });
  const begin = performance.now();
  const meter = startEnergyMeter(root)!;
  await new Promise((resolve) => setTimeout(resolve, 60));
  const { joules, source } = meter.stop();
  expect(source).toBe('ina3221 VDD_IN');
  expect(joules).toBeGreaterThan(0);
  expect(joules).toBeLessThanOrEqual((10 * (performance.now() - begin)) / 1000 + 0.01);
});

it('says nothing where there is no sensor', () => {
  expect(startEnergyMeter(temporaryFolder())).toBeUndefined();
});

it.skipIf(process.platform !== 'linux')('measures CPU and memory of a process', () => {
  const stop = startMeter(process.pid);
  for (const end = process.cpuUsage().user + 50_000; process.cpuUsage().user < end; );
  const use = stop()!;
  expect(use.cpuSeconds).toBeGreaterThanOrEqual(0.03);
  expect(use.peakRssBytes).toBeGreaterThan(10 * 1024 ** 2);
  expect(startMeter(2 ** 30)()).toBeUndefined();
});
