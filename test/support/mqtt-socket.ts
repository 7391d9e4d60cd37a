import { connect, type Socket } from 'node:net';
import { generate, type Packet, parser } from 'mqtt-packet';
import { until } from './until.ts';

/** A bare MQTT 3.1.1 client: sends what it is told and keeps what it gets, acknowledging nothing by itself. */
export class MqttSocket {
  readonly socket: Socket;
  readonly received: Packet[] = [];
  closed = false;
  readonly #parser = parser({ protocolVersion: 4 });

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    this.#parser.on('packet', (packet) => this.received.push(packet));
    socket.on('data', (chunk: Buffer) => this.#parser.parse(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
    });
  }

  /** Connects TCP only. */
  static async open(address: string): Promise<MqttSocket> {
    const { hostname, port } = new URL(address);
    const socket = connect(Number(port), hostname);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new MqttSocket(socket);
  }

  /** Connects and waits for CONNACK. */
  static async connect(address: string, options: Record<string, unknown> = {}): Promise<MqttSocket> {
    const client = await MqttSocket.open(address);
    const defaults = { protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: '', keepalive: 0 };
    client.send({ cmd: 'connect', ...defaults, ...options } as Packet);
    await until(() => client.received.length > 0 || client.closed, 'CONNACK');
    return client;
  }

  send(packet: Packet): void {
    this.socket.write(generate(packet));
  }

  publish(topic: string, payload: string | Buffer, qos: 0 | 1 | 2, messageId = 0, more: object = {}): void {
    const packet = { cmd: 'publish', topic, payload, qos, dup: false, retain: false, ...more };
    this.send({ ...packet, ...(qos > 0 ? { messageId } : {}) } as Packet);
  }

  async subscribe(topic: string, qos: 0 | 1 | 2, messageId = 1): Promise<number> {
    this.send({ cmd: 'subscribe', messageId, subscriptions: [{ topic, qos }] } as Packet);
    const granted = await this.expect('suback', messageId);
    return (granted as unknown as { granted: number[] }).granted[0]!;
  }

  /** The packets of one kind so far. */
  of<K extends string>(cmd: K): (Packet & { messageId: number; topic: string; payload: Buffer })[] {
    return this.received.filter((packet) => packet.cmd === cmd) as never;
  }

  async expect(cmd: string, messageId?: number): Promise<Packet> {
    const find = () =>
      this.received.find(
        (packet) => packet.cmd === cmd && (messageId === undefined || packet.messageId === messageId),
      );
    await until(() => find() !== undefined || this.closed, `${cmd} ${messageId ?? ''}`);
    const found = find();
    if (!found) throw new Error(`closed before ${cmd} ${messageId ?? ''}`);
    return found;
  }

  async ping(): Promise<void> {
    const before = this.of('pingresp').length;
    this.send({ cmd: 'pingreq' });
    await until(() => this.of('pingresp').length > before || this.closed, 'PINGRESP');
    if (this.closed) throw new Error('closed before PINGRESP');
  }

  async waitClosed(): Promise<void> {
    await until(() => this.closed, 'the connection to close');
  }

  end(): void {
    this.socket.destroy();
  }
}
