import { Aedes, type AedesOptions } from 'aedes';

/** aedes passes its own notices through here; none of them is a client's message. */
const silentEmitter = {
  on(_topic: string, _listener: unknown, done?: () => void) {
    if (done) setImmediate(done);
  },
  removeListener(_topic: string, _listener: unknown, done?: () => void) {
    if (done) setImmediate(done);
  },
  emit(_packet: unknown, done?: () => void) {
    if (done) setImmediate(done);
  },
  close(done: () => void) {
    setImmediate(done);
  },
};

type Published = { topic: string; payload?: Buffer | string };
type Done = (error?: Error) => void;

/**
 * aedes without its way of delivering: it keeps sessions, subscriptions, the QoS 2 handshake and wills; messages are
 * handed on by the door as soon as they are durable, before aedes would.
 */
export class BrokerCore extends Aedes {
  readonly #onNotice: (topic: string, payload: Buffer) => void;

  constructor(options: AedesOptions, onNotice: (topic: string, payload: Buffer) => void) {
    super({ ...options, mq: silentEmitter });
    this.#onNotice = onNotice;
    // This broker never counts as dead, or its clients' wills would be published while they are connected.
    (this.brokers as Record<string, number>)[this.id] = Number.MAX_SAFE_INTEGER;
  }

  override publish(packet: Published, client: unknown, done?: Done): void {
    if (packet.topic.startsWith('$SYS/')) this.#onNotice(packet.topic, Buffer.from(packet.payload ?? ''));
    const callback = typeof client === 'function' ? (client as Done) : done;
    if (callback) setImmediate(callback);
  }
}
