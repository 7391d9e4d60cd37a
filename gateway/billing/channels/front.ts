import { GatewayError } from '../../errors.ts';
import type { Admission, ChannelCall, ChannelEvent, Channels } from '../../ports/channels.ts';
import type { Customers } from './customers.ts';

/** Channels as the doors see them from before the start on. */
export class ChannelFront implements Channels {
  readonly required: boolean;
  readonly #listeners = new Set<(event: ChannelEvent) => void>();
  /** The present key's first, then those of keys that were replaced. */
  #customers: readonly Customers[] = [];

  constructor(required: boolean) {
    this.required = required;
  }

  open(customers: readonly Customers[]): void {
    this.#customers = customers;
    for (const one of customers)
      one.onEvent((event) => {
        for (const listener of this.#listeners) listener(event);
      });
  }

  async admit(call: ChannelCall): Promise<Admission> {
    return this.#of(call.channel).admit(call);
  }

  async take(channel: string, kind: 'ceiling' | 'ack', document: unknown, account: string): Promise<object> {
    return this.#of(channel).take(channel, kind, document, account);
  }

  list(): object[] {
    return this.#customers.flatMap((one) => one.list());
  }

  show(channel: string): object {
    return this.#of(channel).show(channel);
  }

  async receipts(channel: string, from: number, limit: number): Promise<object[]> {
    return this.#of(channel).receipts(channel, from, limit);
  }

  tariff(): object {
    return this.#of(undefined).tariff();
  }

  onEvent(listener: (event: ChannelEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #of(channel: unknown): Customers {
    const found = this.#customers.find((one) => one.has(channel)) ?? this.#customers[0];
    if (found) return found;
    throw new GatewayError('CHANNEL_UNKNOWN', 'this gateway has no channels with customers', {
      fix: 'Name billing.provider and billing.chain with ledger and token in the configuration, and start the gateway.',
    });
  }
}
