import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Config } from '../../config/schema.ts';
import { asGatewayError } from '../../errors.ts';
import { hostUser, requireReach } from '../../flows/host-user.ts';
import { HOST_PROGRAM } from '../../flows/spawn-host.ts';
import { bad, type Finding, ok, skip } from './finding.ts';

/** Whether flows can run: Node-RED is there, and the user it runs as can reach what it needs. */
export function flowFindings({ flows, gateway }: Config): Finding[] {
  if (!flows.enabled) return [skip('flows', 'not enabled')];
  const version = installedVersion();
  if (version === undefined) return [bad('flows', 'Node-RED is not installed', 'npm install node-red')];
  try {
    const user = hostUser(flows.user);
    if (user) requireReach(user, [process.execPath, HOST_PROGRAM, join(gateway.dataDir, 'flows')]);
    return [ok('flows', `Node-RED ${version}${user ? ` runs as ${user.name}` : ''}`)];
  } catch (error) {
    const { message, fix } = asGatewayError(error);
    return [bad('flows', message, fix)];
  }
}

function installedVersion(): string | undefined {
  try {
    const manifest = createRequire(import.meta.url)('node-red/package.json') as { version: string };
    return manifest.version;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
