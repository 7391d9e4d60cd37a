import { readFile } from 'node:fs/promises';
import type { IClientOptions, IConnackPacket, MqttClient } from 'mqtt';
import type { UpstreamConfig } from '../../gateway/config/schema.ts';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { Log } from '../../gateway/ports/log.ts';
import { Backoff, LINK } from '../../gateway/system/backoff.ts';

const CONNECT_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_S = 30;
const STOP_TIMEOUT_MS = 2000;
/** A start does not wait longer than this for a broker that may be away for days. */
const FIRST_ATTEMPT_MS = 500;

export interface LinkParts {
  readonly mqtt: NonNullable<UpstreamConfig['mqtt']>;
  readonly clientId: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

/** What the broker said it takes (MQTT 5 CONNACK); 3.1.1 sets no bounds. */
export interface LinkLimits {
  readonly receiveMaximum: number;
  readonly maximumPacketSize: number;
}

const NO_LIMITS: LinkLimits = { receiveMaximum: 65_535, maximumPacketSize: Number.POSITIVE_INFINITY };

/**
 * A connection to one broker that comes back by itself. Each connection is a fresh client: what an old one still held
 * for sending again goes away with it, because the outbox sends it again in order.
 */
export class Link {
  readonly #parts: LinkParts;
  #client: MqttClient | undefined;
  #limits = NO_LIMITS;
  #running = false;
  readonly #backoff: Backoff;
  #cancelAttempt: (() => void) | undefined;
  #onUp: () => void = () => {};
  #onAttempt: () => void = () => {};
  #onLost: ((reason: string) => void) | undefined;
  connected = false;
  reason = 'not connected yet';

  constructor(parts: LinkParts) {
    this.#parts = parts;
    this.#backoff = new Backoff(LINK, parts.random);
  }

  get client(): MqttClient | undefined {
    return this.connected ? this.#client : undefined;
  }

  get limits(): LinkLimits {
    return this.#limits;
  }

  onUp(listener: () => void): void {
    this.#onUp = listener;
  }

  /** The one who is sending hears of the loss; the returned function ends that. */
  watch(listener: (reason: string) => void): () => void {
    this.#onLost = listener;
    return () => {
      if (this.#onLost === listener) this.#onLost = undefined;
    };
  }

  /** Resolves with the end of the first attempt, or after a moment: the rest goes on by itself. */
  start(signal: AbortSignal): Promise<void> {
    this.#running = true;
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(FIRST_ATTEMPT_MS, resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      this.#onAttempt = () => {
        cancel();
        resolve();
      };
      this.#attempt();
    });
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#cancelAttempt?.();
    const client = this.#client;
    this.#client = undefined;
    this.connected = false;
    this.#onLost?.('stopping');
    if (!client) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => client.end(true, {}, () => resolve()), STOP_TIMEOUT_MS);
      client.end(!client.connected, {}, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Gives the present connection up. */
  lose(reason: string): void {
    if (this.#client) this.#lost(this.#client, reason);
  }

  #attempt(): void {
    this.#open().catch((error: Error) => this.#failed(error.message));
  }

  async #open(): Promise<void> {
    const { mqtt, clientId } = this.#parts;
    const { username, passwordFile } = mqtt;
    const password = passwordFile === undefined ? undefined : (await readFile(passwordFile, 'utf8')).trim();
    // Loaded when it is needed: a gateway that sends nothing over MQTT does not pay for it in memory.
    const { connect } = await import('mqtt');
    if (!this.#running) return;
    const options: IClientOptions = {
      clientId,
      clean: true,
      protocolVersion: mqtt.protocol === '5' ? 5 : 4,
      keepalive: KEEP_ALIVE_S,
      connectTimeout: CONNECT_TIMEOUT_MS,
      reconnectPeriod: 0,
      queueQoSZero: false,
      resubscribe: false,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    };
    const client = connect(mqtt.url, options);
    this.#client = client;
    client.on('connect', (packet) => this.#established(client, packet));
    client.on('error', (error) => this.#lost(client, reasonOf(error)));
    client.on('close', () => this.#lost(client, 'the connection was closed'));
    client.on('disconnect', (packet) =>
      this.#lost(client, `disconnected by the broker (${packet.reasonCode})`),
    );
  }

  #established(client: MqttClient, packet: IConnackPacket): void {
    if (client !== this.#client) return;
    const { receiveMaximum, maximumPacketSize } = packet.properties ?? {};
    this.#limits = {
      receiveMaximum: receiveMaximum ?? NO_LIMITS.receiveMaximum,
      maximumPacketSize: maximumPacketSize ?? NO_LIMITS.maximumPacketSize,
    };
    this.connected = true;
    this.#backoff.reset();
    this.#onAttempt();
    this.#onUp();
  }

  #lost(client: MqttClient, reason: string): void {
    if (client !== this.#client) return;
    this.#client = undefined;
    this.connected = false;
    this.#onLost?.(reason);
    // The client may report the end of its socket later on; nobody cares any more.
    client.removeAllListeners('error');
    client.on('error', () => {});
    client.end(true);
    this.#failed(reason);
  }

  #failed(reason: string): void {
    this.reason = reason;
    this.#onAttempt();
    if (!this.#running) return;
    const { clock, log, mqtt } = this.#parts;
    const pause = this.#backoff.next();
    log.debug(
      { url: withoutUser(mqtt.url), reason, retryMs: pause },
      'mqtt: no connection upstream, trying again',
    );
    this.#cancelAttempt = clock.after(pause, () => this.#attempt());
  }
}

/** Node gathers the failures of several addresses in one error without a message. */
function reasonOf(error: Error): string {
  const { code, errors } = error as NodeJS.ErrnoException & { errors?: NodeJS.ErrnoException[] };
  return error.message || (errors?.[0]?.code ?? (typeof code === 'string' ? code : 'connection failed'));
}

/** Credentials may stand in an address; they are not for the log. */
function withoutUser(url: string): string {
  const parsed = URL.parse(url);
  return parsed ? `${parsed.protocol}//${parsed.host}` : url;
}
