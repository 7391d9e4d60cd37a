import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Config } from '../../config/schema.ts';
import { bad, type Finding, ok, warn } from './finding.ts';

interface Port {
  readonly setting: string;
  readonly kind: 'tcp' | 'udp';
  readonly port: number;
}

/** Whether the ports the gateway wants are free; when it runs, whether it has them. */
export async function portFindings(config: Config, runningPid: number | undefined): Promise<Finding[]> {
  const { host } = config.listen;
  const findings: Finding[] = [];
  for (const port of wanted(config)) {
    const check = `port ${port.kind} ${port.port}`;
    const problem = port.port === 0 ? undefined : await occupied(port, host);
    if (problem === undefined) {
      findings.push(
        runningPid === undefined || port.port === 0
          ? ok(check, `${port.setting}: free`)
          : warn(check, `${port.setting}: the gateway runs but does not listen here`, 'aimx-gateway status'),
      );
      continue;
    }
    const owner = ownerOf(port);
    if (runningPid !== undefined && (owner === undefined || owner.pid === runningPid)) {
      findings.push(ok(check, `${port.setting}: the gateway listens`));
      continue;
    }
    const who = owner ? ` by ${owner.name} (process ${owner.pid})` : '';
    findings.push(
      bad(
        check,
        `${port.setting}: ${problem === 'EADDRINUSE' ? `taken${who}` : `cannot listen on ${host} (${problem})`}`,
        problem === 'EADDRINUSE'
          ? `stop that program${owner ? ` (kill ${owner.pid})` : ''}, or choose another ${port.setting} in gateway.yaml`
          : `set listen.host to an address of this machine; ports below 1024 need rights`,
      ),
    );
  }
  return findings;
}

function wanted({ listen, broker }: Config): Port[] {
  const list: Port[] = [];
  if (!broker) list.push({ setting: 'listen.mqtt.port', kind: 'tcp', port: listen.mqtt.port });
  if (!broker && listen.mqtts)
    list.push({ setting: 'listen.mqtts.port', kind: 'tcp', port: listen.mqtts.port });
  list.push({ setting: 'listen.coap.port', kind: 'udp', port: listen.coap.port });
  list.push({ setting: 'listen.http.port', kind: 'tcp', port: listen.http.port });
  return list;
}

/** The error code when the port cannot be listened on; undefined when it is free. */
function occupied({ kind, port }: Port, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void => resolve(error.code ?? error.message);
    if (kind === 'tcp') {
      const server = createServer().once('error', failed);
      server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)));
      return;
    }
    const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4' });
    socket.once('error', (error) => {
      socket.close();
      failed(error);
    });
    socket.bind({ port, address: host, exclusive: true }, () => socket.close(() => resolve(undefined)));
  });
}

/** Who has a port, as far as /proc shows it to this user. */
function ownerOf({ kind, port }: Port): { pid: number; name: string } | undefined {
  if (process.platform !== 'linux') return undefined;
  const inodes = new Set<string>();
  for (const file of [`/proc/net/${kind}`, `/proc/net/${kind}6`]) {
    for (const line of lines(file).slice(1)) {
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
      const listening = kind === 'udp' || state === '0A';
      if (listening && inode && Number.parseInt(local.split(':')[1] ?? '', 16) === port)
        inodes.add(`socket:[${inode}]`);
    }
  }
  if (inodes.size === 0) return undefined;
  for (const pid of readable(() => readdirSync('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const descriptor of readable(() => readdirSync(`/proc/${pid}/fd`))) {
      const [target = ''] = readable(() => [readlinkSync(`/proc/${pid}/fd/${descriptor}`)]);
      if (inodes.has(target)) return { pid: Number(pid), name: lines(`/proc/${pid}/comm`)[0] ?? '?' };
    }
  }
  return undefined;
}

const lines = (file: string): string[] => readable(() => readFileSync(file, 'utf8').split('\n'));

/** Processes of others, and those that ended meanwhile, cannot be looked into: then there is nothing to see. */
function readable(look: () => string[]): string[] {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return [];
  }
}
