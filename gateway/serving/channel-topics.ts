import { asGatewayError } from '../errors.ts';
import type { Principal } from '../ports/access.ts';
import type { Channels } from '../ports/channels.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Outbound, Publisher } from '../ports/publisher.ts';
import type { Disposition, Inbound } from '../ports/source.ts';
import type { Store } from '../store/types.ts';

export interface ChannelTopicsParts {
  readonly channels: Channels;
  readonly publisher: Publisher;
  readonly store: Pick<Store, 'commit'>;
  readonly clock: Clock;
  readonly log: Log;
}

const PREFIX = 'aimx/channel/';
const ADDRESS = /^aimx\/channel\/(0x[0-9a-fA-F]{64})\/(ceiling|ack)$/;
const RETRY_MS = 1_000;
/** Ceilings and acknowledgements are a few hundred bytes. */
const MAX_BYTES = 4096;

export const isChannelTopic = (door: string, address: string): boolean =>
  door === 'mqtt' && address.startsWith(PREFIX);

/**
 * Channels over MQTT: payers publish to `aimx/channel/<id>/{ceiling,ack}`, the gateway to `…/{state,head}`. What is published stands for what
 * is now: while the broker is away only the newest of each topic waits.
 */
export class ChannelTopics {
  readonly name = 'channel topics';
  readonly #parts: ChannelTopicsParts;
  /** At most two for each channel. */
  readonly #waiting = new Map<string, Outbound>();
  #end: (() => void) | undefined;
  #cancel: (() => void) | undefined;
  #sending: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: ChannelTopicsParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    this.#stopped = false;
    this.#end = this.#parts.channels.onEvent(({ channel, kind, document }) => {
      this.#publish(`${PREFIX}${channel}/${kind}`, document, kind === 'state');
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#end?.();
    this.#cancel?.();
    await this.#sending;
    this.#waiting.clear();
  }

  /** A payer's word. What it is worth is decided by its signature; what is wrong with it goes to the client's own topic. */
  offer<M extends Inbound>(message: M, done: (disposition: Disposition, message: M) => void): void {
    const { address, payload, principal, ops } = message;
    const found = ADDRESS.exec(address);
    if (!found) {
      done({ kind: 'unrouted' }, message);
      return;
    }
    const [, channel = '', kind = ''] = found;
    // The door uses its buffer again.
    const text = payload.length > MAX_BYTES ? '' : Buffer.from(payload).toString('utf8');
    this.#take(channel, kind as 'ceiling' | 'ack', text, principal, ops).then(
      () => done({ kind: 'stored', readings: 0 }, message),
      (error: unknown) => done({ kind: 'refused', error: asGatewayError(error) }, message),
    );
  }

  async #take(
    channel: string,
    kind: 'ceiling' | 'ack',
    text: string,
    principal: Principal | undefined,
    ops: Inbound['ops'],
  ): Promise<void> {
    const { channels, store } = this.#parts;
    const account = principal ? `consumer/${principal.name}` : 'consumer/broker';
    try {
      await channels.take(channel, kind, parsed(text), account);
    } catch (cause) {
      const { code, message } = asGatewayError(cause);
      // The store's refusals are temporary: the message comes again.
      if (code.startsWith('STORE_')) throw cause;
      if (principal?.clientId !== undefined)
        this.#publish(`aimx/reply/${principal.clientId}`, { channel, kind, error: { code, message } }, false);
    }
    // What was said counts already; said again, it changes nothing.
    if (ops && ops.length > 0) await store.commit({ ops });
  }

  #publish(topic: string, document: object, retain: boolean): void {
    this.#waiting.set(topic, { topic, payload: JSON.stringify(document), qos: 1, retain });
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
  }

  async #send(): Promise<void> {
    await Promise.resolve();
    while (this.#waiting.size > 0 && !this.#stopped) {
      const messages = [...this.#waiting.values()];
      this.#waiting.clear();
      try {
        await this.#parts.publisher.publish(messages);
      } catch (error) {
        for (const message of messages)
          if (!this.#waiting.has(message.topic)) this.#waiting.set(message.topic, message);
        this.#parts.log.debug(
          { error: String(error) },
          'channels: could not publish, trying again in a second',
        );
        await this.#pause();
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(RETRY_MS, resolve);
      this.#cancel = () => {
        cancel();
        resolve();
      };
    });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no document: the reader says what it expects
  }
}
