import { GatewayError } from '../../errors.ts';
import type { Admission, ChannelCall, ChannelEvent, Channels } from '../../ports/channels.ts';
import type { Customers } from './customers.ts';

/** Channels as the doors see them from before the start on. */
export class ChannelFront implements Channels {
  readonly required: boolean;
  readonly #listeners = new Set<(event: ChannelEvent) => void>();
  #customers: Customers | undefined;

  constructor(required: boolean) {
    this.required = required;
  }

  /** Undefined: there are none (any more). */
  set customers(customers: Customers | undefined) {
    this.#customers = customers;
    customers?.onEvent((event) => {
      for (const listener of this.#listeners) listener(event);
    });
  }

  async admit(call: ChannelCall): Promise<Admission> {
    return this.#open().admit(call);
  }

  async take(channel: string, kind: 'ceiling' | 'ack', document: unknown, account: string): Promise<object> {
    return this.#open().take(channel, kind, document, account);
  }

  list(): object[] {
    return this.#customers?.list() ?? [];
  }

  show(channel: string): object {
    return this.#open().show(channel);
  }

  async receipts(channel: string, from: number, limit: number): Promise<object[]> {
    return this.#open().receipts(channel, from, limit);
  }

  tariff(): object {
    return this.#open().tariff();
  }

  onEvent(listener: (event: ChannelEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #open(): Customers {
    if (this.#customers) return this.#customers;
    throw new GatewayError('CHANNEL_UNKNOWN', 'this gateway has no channels with customers', {
      fix: 'Name billing.provider and billing.chain with ledger and token in the configuration, and start the gateway.',
    });
  }
}
