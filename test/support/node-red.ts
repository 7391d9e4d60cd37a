import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ensurePalette } from '../../flows/palette/build.mts';
import { ROOT } from './gateway-process.ts';

/** What is used of Node-RED's interface for programs. */
interface Runtime {
  init(server: unknown, settings: object): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly httpNode: unknown;
  readonly events: NodeJS.EventEmitter;
  readonly runtime: {
    readonly flows: { setFlows(options: object): Promise<unknown> };
  };
}

export interface NodeRed {
  /** Where flows answer requests of their own. */
  readonly url: string;
  /** Warnings and errors so far. */
  readonly log: readonly string[];
  /** Colour of the status of a node, by id, since the last deploy. */
  status(id: string): string | undefined;
  /** Replaces all flows and waits until the new ones have started. */
  deploy(flows: readonly object[]): Promise<void>;
  stop(): Promise<void>;
}

/** Node-RED in this process, without its editor, with the palette; one per process. */
export async function startNodeRed(userDir: string): Promise<NodeRed> {
  ensurePalette();
  const require = createRequire(import.meta.url);
  const red = require('node-red') as Runtime;
  const express = createRequire(require.resolve('node-red'))('express') as () => {
    use(path: string, handler: unknown): void;
  };
  const app = express();
  const server = createServer(app as never);
  const log: string[] = [];
  const handler = () => (entry: { level: number; msg?: unknown; name?: string; type?: string }) => {
    log.push(`${entry.type ?? ''}:${entry.name ?? ''} ${String((entry.msg as Error)?.message ?? entry.msg)}`);
  };
  red.init(server, {
    userDir,
    nodesDir: [join(ROOT, 'flows/palette')],
    httpAdminRoot: false,
    httpNodeRoot: '/',
    credentialSecret: 'of a test',
    flowFile: 'flows.json',
    telemetry: { enabled: false },
    logging: { console: { level: 'off' }, test: { level: 'warn', metrics: false, audit: false, handler } },
  });
  const statuses = new Map<string, string | undefined>();
  red.events.on('node-status', ({ id, status }: { id: string; status?: { fill?: string } }) => {
    statuses.set(id, status?.fill);
  });
  app.use('/', red.httpNode);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await red.start();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    status: (id) => statuses.get(id),
    async deploy(flows) {
      statuses.clear();
      const started = once(red.events, 'flows:started');
      await red.runtime.flows.setFlows({ flows: { flows }, deploymentType: 'full' });
      await started;
    },
    async stop() {
      await red.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
