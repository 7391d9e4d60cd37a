import { execFile } from 'node:child_process';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

export interface ServiceManager {
  ready(): void;
  stopping(): void;
}

/**
 * Tells systemd how we are (sd_notify(3)) and feeds its watchdog at half its interval, as long as `healthy` says so.
 * Goes through `systemd-notify`, because Node.js has no datagram Unix sockets; the unit needs `NotifyAccess=all`. Does
 * nothing when there is no systemd.
 */
export function serviceManager(
  env: NodeJS.ProcessEnv,
  clock: Clock,
  log: Log,
  healthy: () => boolean,
): ServiceManager {
  if (!env.NOTIFY_SOCKET) return { ready() {}, stopping() {} };
  let failed = false;
  const notify = (...words: string[]): void => {
    execFile('systemd-notify', words, { env }, (error) => {
      if (error && !failed)
        log.warn({ error: error.message }, 'systemd: systemd-notify does not work, going on without it');
      failed ||= error !== null;
    });
  };
  const interval = Number(env.WATCHDOG_USEC ?? 0) / 1000 / 2;
  const feed = (): void => {
    if (healthy()) notify('WATCHDOG=1');
    clock.after(interval, feed);
  };
  return {
    ready() {
      notify('--ready', `--pid=${process.pid}`);
      if (interval > 0) feed();
    },
    stopping: () => notify('STOPPING=1'),
  };
}
