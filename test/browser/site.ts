import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { parseDocument } from 'yaml';
import { type DevChain, startDevChain } from '../../adapters/devchain/index.ts';
import { openKeystore } from '../../gateway/billing/keys/keystore.ts';
import { runSetup } from '../../gateway/setup/index.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import {
  freePorts,
  type GatewayPorts,
  type GatewayProcess,
  startGatewayProcess,
} from '../support/gateway-process.ts';
import { recordingLog } from '../support/log.ts';

/** A gateway as it comes out of its box, on one port from its first run on, with a chain beside it. */
export interface Site {
  readonly url: string;
  readonly folder: string;
  readonly chain: DevChain;
  readonly claimCode: string;
  /** Waits for the end of the first run, then starts the gateway with what was entered there, on free ports. */
  begin(): Promise<GatewayProcess>;
  stop(): Promise<void>;
}

export async function openSite(): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'aimx-site-'));
  // Started as root, the flows run as somebody else, who must be able to pass through.
  chmodSync(folder, 0o755);
  const ports = await freePorts();
  const log = recordingLog();
  const chain = await startDevChain({ dir: join(folder, 'chain'), port: 0, log });
  const over = new AbortController();
  const { promise: ready, resolve } = Promise.withResolvers<{ url: string; code: string }>();
  const file = join(folder, 'gateway.yaml');
  const setUp = runSetup(
    { file, port: ports.http, clock: systemClock(), log, models: () => undefined, ready: resolve },
    over.signal,
  );
  const { url, code } = await ready;
  let gateway: GatewayProcess | undefined;
  return {
    url,
    folder,
    chain,
    claimCode: code,
    async begin() {
      if (!(await setUp)) throw new Error('the first run did not come to its end');
      const { address } = await openKeystore({
        keystore: join(folder, 'keys/device.json'),
        passphraseFile: join(folder, 'keys/passphrase'),
      });
      await chain.fund(address);
      integrate(file, ports);
      gateway = await startGatewayProcess(folder, ports);
      return gateway;
    },
    async stop() {
      over.abort();
      await setUp;
      await gateway?.stop();
      await chain.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What somebody who knows the site adds to what the first run wrote: doors that are free here, and when to tell. */
function integrate(file: string, ports: GatewayPorts): void {
  const document = parseDocument(readFileSync(file, 'utf8'));
  document.setIn(['listen', 'mqtt', 'port'], ports.mqtt);
  document.setIn(['listen', 'coap', 'port'], ports.coap);
  document.setIn(['auth', 'anonymous'], false);
  document.setIn(['pipelines', 0, 'model'], 'streaming-anomaly');
  document.setIn(['pipelines', 0, 'publish'], document.createNode({ when: 'score >= 0.9' }));
  document.setIn(['billing', 'batch'], document.createNode({ maxAge: '2s' }));
  document.set('flows', document.createNode({ enabled: true }));
  writeFileSync(file, document.toString());
}

/** Publishes readings of one device, one after the other, each acknowledged. */
export async function publish(
  port: number,
  login: { username: string; password: string },
  topic: string,
  values: readonly number[],
): Promise<void> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { ...login, protocolVersion: 4 });
  try {
    await Promise.all(values.map((t) => client.publishAsync(topic, JSON.stringify({ t }), { qos: 1 })));
  } finally {
    await client.endAsync();
  }
}
