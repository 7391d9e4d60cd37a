import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { OwnGateway } from '../../flows/host/protocol.ts';
import type { FlowsConfig } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { type FlowsCaller, FlowsProxy } from './proxy.ts';
import type { Snapshot, SnapshotContent } from './snapshots.ts';
import { Supervisor } from './supervisor.ts';
import { FlowVault } from './vault.ts';

export type { FlowsCaller };

export interface FlowsParts {
  readonly config: FlowsConfig;
  /** Name of the gateway. */
  readonly name: string;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly own: () => OwnGateway;
}

const MISSING = 'flows-missing';

/** Node-RED beside the gateway: its process, its flows and the way to it. */
export class Flows {
  readonly #parts: FlowsParts;
  readonly #log: Log;
  readonly #vault: FlowVault;
  readonly #supervisor: Supervisor;
  readonly #proxy: FlowsProxy;
  #missing = false;

  constructor(parts: FlowsParts) {
    this.#log = parts.log.child('flows');
    this.#parts = { ...parts, log: this.#log };
    this.#proxy = new FlowsProxy(parts.config.palette.install);
    this.#vault = new FlowVault({ ...this.#parts, limits: parts.config.snapshots });
    this.#supervisor = new Supervisor({ ...this.#parts, vault: this.#vault });
  }

  async start(): Promise<void> {
    this.#missing = !installed();
    if (!this.#missing) return await this.#supervisor.start();
    await this.#vault.open();
    this.#log.warn(
      {},
      'flows: Node-RED is not installed, going on without; `npm install node-red` brings it',
    );
    this.#parts.alarms.raise({
      kind: MISSING,
      severity: 'warning',
      message: 'Flows are enabled and Node-RED is not installed.',
      fix: 'Install it beside the gateway with `npm install node-red`, or set `flows.enabled: false`.',
    });
  }

  async stop(): Promise<void> {
    await this.#supervisor.stop();
    this.#proxy.close();
  }

  status() {
    const status = this.#supervisor.status();
    return {
      ...status,
      state: this.#missing ? ('missing' as const) : status.state,
      snapshot: this.#vault.snapshots.current?.id ?? null,
    };
  }

  /** Newest first. */
  snapshots(): (Snapshot & { readonly current: boolean })[] {
    const current = this.#vault.snapshots.current?.id;
    return this.#vault.snapshots
      .list()
      .toReversed()
      .map((one) => ({ ...one, current: one.id === current }));
  }

  /** @throws GatewayError FLOWS_SNAPSHOT */
  snapshot(id: number): Promise<SnapshotContent> {
    return this.#vault.snapshots.read(id);
  }

  /** Makes the flows of a snapshot the present ones and starts them. @throws GatewayError FLOWS_SNAPSHOT, FLOWS_MISSING */
  async restore(id: number, author: string): Promise<Snapshot> {
    const restored = await this.#vault.restore(id);
    await this.#vault.snapshots.judge(id, { failed: null });
    this.#log.info({ snapshot: id, author }, 'flows: a snapshot was restored, starting it');
    await this.restart();
    return restored;
  }

  async restart(): Promise<void> {
    if (this.#missing) throw new GatewayError('FLOWS_MISSING', 'Node-RED is not installed');
    await this.#supervisor.restart();
  }

  /** @throws GatewayError FLOWS_DOWN */
  forward(caller: FlowsCaller, request: IncomingMessage, response: ServerResponse): void {
    this.#proxy.forward(this.#door(), caller, request, response);
  }

  /** @throws GatewayError FLOWS_DOWN */
  upgrade(caller: FlowsCaller, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#proxy.upgrade(this.#door(), caller, request, socket, head);
  }

  #door() {
    const { door } = this.#supervisor;
    if (door) return door;
    this.#supervisor.wake();
    if (this.#missing) throw new GatewayError('FLOWS_MISSING', 'Node-RED is not installed');
    throw new GatewayError('FLOWS_DOWN', `the flows are ${this.#supervisor.status().state}`);
  }
}

function installed(): boolean {
  try {
    fileURLToPath(import.meta.resolve('node-red'));
    return true;
  } catch {
    return false;
  }
}
