import { connect, type Socket } from 'node:net';
import { generate, type Packet, parser } from 'mqtt-packet';

const RECONNECT_MS = 50;

interface Asked {
  readonly topic: string;
  readonly payload: string;
}

/**
 * A client with a persistent session that asks with QoS 1 and sends what was not acknowledged again on each new
 * connection, in order. Written on bare packets: what was acknowledged is known for certain.
 */
export class Asker {
  readonly name: string;
  readonly acknowledged = new Set<string>();
  readonly #port: number;
  readonly #onAnswer: (text: string) => void;
  /** Not acknowledged yet, in the order of asking. */
  readonly #pending = new Map<string, Asked>();
  /** Of the present connection: which request a packet identifier stands for. */
  #packets = new Map<number, string>();
  #nextPacket = 1;
  #socket: Socket | undefined;
  #ready = false;
  #ended = false;

  constructor(port: number, name: string, onAnswer: (text: string) => void) {
    this.#port = port;
    this.name = name;
    this.#onAnswer = onAnswer;
    this.#open();
  }

  get pending(): number {
    return this.#pending.size;
  }

  get connected(): boolean {
    return this.#ready;
  }

  ask(id: string, topic: string, payload: string): void {
    this.#pending.set(id, { topic, payload });
    if (this.#ready) this.#publish(id, topic, payload);
  }

  close(): void {
    this.#ended = true;
    this.#socket?.destroy();
  }

  #open(): void {
    const socket = connect(this.#port, '127.0.0.1').setNoDelay();
    this.#socket = socket;
    const packets = parser();
    packets.on('packet', (packet) => this.#onPacket(socket, packet));
    socket.on('data', (chunk) => packets.parse(chunk));
    socket.on('connect', () =>
      socket.write(
        generate({
          ...{ cmd: 'connect', clientId: this.name, clean: false, keepalive: 30 },
          ...{ protocolId: 'MQTT', protocolVersion: 4 },
        }),
      ),
    );
    // Every error is followed by `close`.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#ready = false;
      if (!this.#ended) setTimeout(() => this.#ended || this.#open(), RECONNECT_MS);
    });
  }

  #onPacket(socket: Socket, packet: Packet): void {
    if (packet.cmd === 'connack') {
      this.#packets = new Map();
      const subscriptions = [{ topic: `aimx/reply/${this.name}`, qos: 1 as const }];
      socket.write(generate({ cmd: 'subscribe', messageId: this.#packet(''), subscriptions }));
    } else if (packet.cmd === 'suback') {
      this.#ready = true;
      for (const [id, { topic, payload }] of this.#pending) this.#publish(id, topic, payload);
    } else if (packet.cmd === 'publish') {
      this.#onAnswer(packet.payload.toString());
      if (packet.qos === 1) socket.write(generate({ cmd: 'puback', messageId: packet.messageId! }));
    } else if (packet.cmd === 'puback') {
      const id = this.#packets.get(packet.messageId!);
      this.#packets.delete(packet.messageId!);
      if (id === undefined) throw new Error(`PUBACK for packet ${packet.messageId}, which was not sent`);
      this.#pending.delete(id);
      this.acknowledged.add(id);
    }
  }

  #publish(id: string, topic: string, payload: string): void {
    const messageId = this.#packet(id);
    this.#socket?.write(
      generate({ cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false, messageId }),
    );
  }

  #packet(id: string): number {
    const packet = this.#nextPacket;
    this.#nextPacket = packet === 65_535 ? 1 : packet + 1;
    if (id !== '') this.#packets.set(packet, id);
    return packet;
  }
}
