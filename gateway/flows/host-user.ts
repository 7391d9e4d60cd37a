import { chmodSync, chownSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GatewayError } from '../errors.ts';

/** Whom the flows host runs as. */
export interface HostUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user for a gateway that was started as root; undefined when it was not, since then it cannot change it.
 * @throws GatewayError FLOWS_USER
 */
export function hostUser(name: string): HostUser | undefined {
  if (process.platform === 'win32' || process.getuid?.() !== 0) return undefined;
  const entry = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([known]) => known === name);
  const [uid, gid] = [Number(entry?.[2]), Number(entry?.[3])];
  if (entry && uid > 0) return { name, uid, gid };
  throw new GatewayError('FLOWS_USER', entry ? 'flows do not run as root' : `there is no user ${name}`, {
    received: name,
    expected: 'a user of this machine that is not root',
  });
}

/**
 * That the user can reach what it needs: its program and its folder may lie in a folder that only root may enter.
 * @throws GatewayError FLOWS_USER
 */
export function requireReach(user: HostUser, paths: readonly string[]): void {
  for (const path of paths) {
    for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
      const stat = statSync(folder, { throwIfNoEntry: false });
      if (!stat) continue;
      const { mode, uid, gid } = stat;
      const may = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
      if ((mode & may) !== 0) continue;
      throw new GatewayError('FLOWS_USER', `flows run as ${user.name}, who cannot reach ${folder}`, {
        received: folder,
        fix: `Start the gateway as a user who is not root, or let others pass through ${folder} (chmod o+x).`,
      });
    }
  }
}

/**
 * Lets the user into its own folder and nowhere else in the data folder: the folders above it may be passed through, and
 * what lies beside it is closed to others.
 */
export function grantFolder(dataDir: string, folder: string, user: HostUser): void {
  for (const name of readdirSync(dataDir)) {
    const path = join(dataDir, name);
    const stat = lstatSync(path);
    if (!folder.startsWith(path) && !stat.isSymbolicLink()) chmodSync(path, stat.mode & 0o700);
  }
  for (let path = dirname(folder); path.startsWith(dataDir); path = dirname(path)) chmodSync(path, 0o711);
  ownFolder(folder, user);
}

export function ownFolder(path: string, user: HostUser): void {
  const stat = lstatSync(path);
  if (stat.uid !== user.uid) chownSync(path, user.uid, user.gid);
}
