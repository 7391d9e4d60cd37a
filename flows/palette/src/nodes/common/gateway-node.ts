import { randomBytes } from 'node:crypto';
import { GatewayClient } from '../../gateway/client.ts';
import type { FlowNode, NodeConfig, Red } from '../../red.ts';

export interface GatewayConfig extends NodeConfig {
  /** Address of the broker: `mqtt://127.0.0.1:1883`; empty: see {@link clientOf}. */
  readonly mqtt: string;
  /** Address of the HTTP interface: `http://127.0.0.1:8080`. */
  readonly http: string;
  readonly clientId?: string;
  /** A node of the type `tls-config`. */
  readonly tls?: string;
}

interface TlsNode {
  addTLSOptions(options: object): void;
}

/** What the other nodes use of the configuration node. */
export interface GatewayNode extends FlowNode {
  readonly sharing: Sharing;
}

/** One client for all nodes of a gateway: made for the first, closed when the last has gone. */
export class Sharing {
  readonly #make: () => GatewayClient;
  readonly #users = new Set<string>();
  #client: GatewayClient | undefined;

  constructor(make: () => GatewayClient) {
    this.#make = make;
  }

  get users(): number {
    return this.#users.size;
  }

  /** @throws TypeError when an address of the configuration is none */
  join(user: string): GatewayClient {
    this.#client ??= this.#make();
    this.#users.add(user);
    return this.#client;
  }

  async leave(user: string): Promise<void> {
    if (this.#users.delete(user) && this.#users.size === 0) await this.close();
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.#users.clear();
    await client?.close();
  }
}

/** Options of TLS connections from the node that holds them. */
function tlsOptions(red: Red, id: string | undefined): object | undefined {
  if (!id) return undefined;
  const node = red.nodes.getNode(id) as TlsNode | null;
  const options = {};
  node?.addTLSOptions(options);
  return options;
}

/**
 * The client that a configuration and its credentials describe. Without addresses it is the gateway that runs this
 * Node-RED, with what that gateway gave it; elsewhere the one of this machine.
 * @throws TypeError
 */
export function clientOf(
  red: Red,
  { mqtt, http, clientId, tls }: GatewayConfig,
  credentials: FlowNode['credentials'],
): GatewayClient {
  const own = mqtt || http ? undefined : red.settings.aimxGateway;
  return new GatewayClient({
    mqttUrl: mqtt || (own?.mqtt ?? 'mqtt://127.0.0.1:1883'),
    httpUrl: http || (own?.http ?? 'http://127.0.0.1:8080'),
    // Two copies of a flow must not take each other's connection.
    clientId: clientId || `node-red-${randomBytes(6).toString('hex')}`,
    username: credentials?.user || own?.user,
    password: credentials?.password || own?.password,
    token: credentials?.token || own?.token,
    tls: tlsOptions(red, tls),
  });
}
