import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { writeFileAtomic } from '../../gateway/system/files.ts';
import { portNear } from './ports.ts';

export interface DemoPorts {
  readonly mqtt: number;
  readonly coap: number;
  readonly http: number;
  readonly upstream: number;
  readonly chain: number;
}

/** The ports people know, in the order they are chosen. */
const WANTED: readonly {
  readonly name: keyof DemoPorts;
  readonly port: number;
  readonly kind: 'tcp' | 'udp';
}[] = [
  { name: 'mqtt', port: 1883, kind: 'tcp' },
  { name: 'coap', port: 5683, kind: 'udp' },
  { name: 'http', port: 8080, kind: 'tcp' },
  { name: 'upstream', port: 1884, kind: 'tcp' },
  { name: 'chain', port: 8545, kind: 'tcp' },
];

/** Free ports near the well-known ones, and a line for each that had to move. */
export async function choosePorts(): Promise<{ ports: DemoPorts; moved: string[] }> {
  const ports: Partial<Record<keyof DemoPorts, number>> = {};
  const moved: string[] = [];
  const taken = new Set<number>();
  for (const { name, port, kind } of WANTED) {
    const found = await portNear(port, kind, taken);
    taken.add(found);
    ports[name] = found;
    if (found !== port) moved.push(`${name}: ${kind} port ${port} is busy, using ${found}`);
  }
  return { ports: ports as DemoPorts, moved };
}

export interface DemoConfigParts {
  readonly folder: string;
  readonly ports: DemoPorts;
  readonly chain: {
    readonly rpcUrl: string;
    readonly chainId: number;
    readonly ledger: string;
    readonly token: string;
  };
  readonly keystore: string;
  readonly passphraseFile: string;
}

/** Writes the demo's gateway.yaml with what is only known now, its comments kept. Answers its path. */
export function writeDemoConfig(parts: DemoConfigParts): string {
  const { ports, chain } = parts;
  const document = parseDocument(readFileSync(new URL('./gateway.yaml', import.meta.url), 'utf8'));
  document.setIn(['gateway', 'dataDir'], '.');
  document.set('listen', {
    mqtt: { port: ports.mqtt },
    coap: { port: ports.coap },
    http: { port: ports.http },
  });
  document.setIn(['upstream', 0, 'mqtt', 'url'], `mqtt://127.0.0.1:${ports.upstream}`);
  document.set('billing', {
    chain: { ...chain, keystore: parts.keystore, passphraseFile: parts.passphraseFile },
    batch: { maxAge: '10s' },
  });
  const file = join(parts.folder, 'gateway.yaml');
  writeFileAtomic(file, document.toString());
  return file;
}
