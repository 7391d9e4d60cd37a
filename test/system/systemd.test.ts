import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { serviceManager } from '../../gateway/system/systemd.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';

/** A `systemd-notify` that writes down what it was told. */
function recorder() {
  const folder = temporaryFolder();
  const said = join(folder, 'said');
  const program = join(folder, 'systemd-notify');
  writeFileSync(program, `#!/bin/sh\necho "$@" >> ${said}\n`);
  chmodSync(program, 0o755);
  const env = { PATH: `${folder}:/usr/bin:/bin`, NOTIFY_SOCKET: '/run/none', WATCHDOG_USEC: '2000000' };
  return { env, lines: () => (existsSync(said) ? readFileSync(said, 'utf8').trim().split('\n') : []) };
}

it('says when it is ready and feeds the watchdog at half its interval while healthy', async () => {
  const { env, lines } = recorder();
  const clock = manualClock();
  let healthy = true;
  const manager = serviceManager(env, clock, recordingLog(), () => healthy);
  manager.ready();
  await until(() => lines().length === 2, 'two notifications');
  expect(lines().sort()).toEqual([`--ready --pid=${process.pid}`, 'WATCHDOG=1']);
  healthy = false;
  clock.advance(1000);
  healthy = true;
  clock.advance(1000);
  await until(() => lines().length === 3, 'the watchdog to be fed once more');
});

it('does nothing without systemd and goes on when systemd-notify is missing', async () => {
  const log = recordingLog();
  serviceManager({}, manualClock(), log, () => true).ready();
  expect(log.lines).toEqual([]);
  serviceManager({ NOTIFY_SOCKET: '/run/none', PATH: '/nowhere' }, manualClock(), log, () => true).ready();
  await until(() => log.lines.length === 1, 'a warning');
  expect(log.lines[0]!.level).toBe('warn');
});
