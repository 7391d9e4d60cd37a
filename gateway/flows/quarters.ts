import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { grantFolder, type HostUser, hostUser, ownFolder, requireReach } from './host-user.ts';
import { HOST_PROGRAM } from './spawn-host.ts';

/** Where a host lives. */
export interface Quarters {
  /** Its own folder, which stays. */
  readonly home: string;
  /** For its socket: of this run, with a short path, since that of a socket has at most some hundred characters. */
  readonly runFolder: string;
  /** Undefined: the gateway's own. */
  readonly user: HostUser | undefined;
  leave(): void;
}

/** @throws GatewayError FLOWS_USER */
export function makeQuarters(dataDir: string, home: string, userName: string): Quarters {
  const user = hostUser(userName);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  if (user) {
    grantFolder(dataDir, home, user);
    requireReach(user, [process.execPath, HOST_PROGRAM, home]);
  }
  const runFolder = mkdtempSync(join(tmpdir(), 'aimx-flows-'));
  if (user) ownFolder(runFolder, user);
  return { home, runFolder, user, leave: () => rmSync(runFolder, { recursive: true, force: true }) };
}
