import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { GatewayError } from '../errors.ts';
import type { Flows, FlowsCaller, FlowsParts } from './index.ts';

/**
 * Flows as the composition root holds them: nothing of them is loaded before they are started, and nothing at all where they
 * are not enabled. They start beside the gateway, which is ready without them.
 */
export class LazyFlows {
  readonly name = 'flows';
  readonly #parts: FlowsParts;
  #flows: Flows | undefined;
  #starting: Promise<void> | undefined;

  constructor(parts: FlowsParts) {
    this.#parts = parts;
  }

  /** Undefined where they are not enabled. */
  get running(): Flows | undefined {
    return this.#flows;
  }

  async start(signal: AbortSignal): Promise<void> {
    if (!this.#parts.config.enabled) return;
    signal.throwIfAborted();
    const { Flows } = await import('./index.ts');
    this.#flows = new Flows(this.#parts);
    this.#starting = this.#flows.start();
    this.#starting.catch((error: unknown) => {
      this.#parts.log.error({ err: error }, 'flows: cannot be started, the gateway goes on without');
      this.#parts.alarms.raise({
        kind: 'flows-crashed',
        severity: 'critical',
        message: `The flows cannot be started: ${error instanceof Error ? error.message : String(error)}`,
        fix: error instanceof GatewayError ? error.fix : 'See the log lines of flows.',
      });
    });
  }

  async stop(): Promise<void> {
    await this.#flows?.stop();
  }

  /** @throws GatewayError FLOWS_OFF, FLOWS_DOWN */
  forward(caller: FlowsCaller, request: IncomingMessage, response: ServerResponse): void {
    this.#required().forward(caller, request, response);
  }

  /** @throws GatewayError FLOWS_OFF, FLOWS_DOWN */
  upgrade(caller: FlowsCaller, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#required().upgrade(caller, request, socket, head);
  }

  #required(): Flows {
    if (this.#flows) return this.#flows;
    throw new GatewayError('FLOWS_OFF', 'flows are not enabled');
  }
}
