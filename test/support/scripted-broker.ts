import { type AddressInfo, createServer, type Socket } from 'node:net';
import { generate, type Packet, parser } from 'mqtt-packet';
import { until } from './until.ts';

/** A client of the {@link ScriptedBroker}, as the broker sees it. */
export interface BrokerSide {
  readonly connect: Packet & { clientId: string; clean: boolean };
  readonly received: Packet[];
  readonly subscriptions: string[];
  readonly closed: boolean;
  /** Bytes that the client has not taken yet and the sockets between do not hold. */
  readonly waiting: number;
  send(packet: Packet): void;
  drop(): void;
}

/**
 * The other end of the external broker adapter: accepts every client and subscription and sends what a test tells it
 * to, so that each acknowledgement can be seen.
 */
export class ScriptedBroker {
  readonly clients: BrokerSide[] = [];
  sessionPresent = false;
  readonly #version: 4 | 5;
  readonly #server = createServer((socket) => this.#onSocket(socket));
  readonly #sockets = new Set<Socket>();

  constructor(version: 4 | 5) {
    this.#version = version;
  }

  async start(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return `mqtt://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The newest client that has subscribed and is still there. */
  async client(): Promise<BrokerSide> {
    const find = () => this.clients.findLast((client) => !client.closed && client.subscriptions.length > 0);
    await until(() => find() !== undefined, 'the gateway to subscribe');
    return find()!;
  }

  /** Sends bytes as they are to every client. */
  raw(bytes: Buffer): void {
    for (const socket of this.#sockets) socket.write(bytes);
  }

  #onSocket(socket: Socket): void {
    this.#sockets.add(socket);
    const version = this.#version;
    const codec = parser({ protocolVersion: version });
    const side = {
      connect: undefined as unknown as BrokerSide['connect'],
      received: [] as Packet[],
      subscriptions: [] as string[],
      closed: false,
      get waiting() {
        return socket.writableLength;
      },
      send: (packet: Packet) => void socket.write(generate(packet, { protocolVersion: version })),
      drop: () => void socket.destroy(),
    };
    codec.on('packet', (packet) => {
      side.received.push(packet);
      if (packet.cmd === 'connect') {
        side.connect = packet as BrokerSide['connect'];
        this.clients.push(side);
        side.send({ cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: this.sessionPresent });
      } else if (packet.cmd === 'subscribe') {
        side.subscriptions.push(...packet.subscriptions.map(({ topic }) => topic));
        const granted = packet.subscriptions.map(() => 1 as const);
        side.send({ cmd: 'suback', messageId: packet.messageId!, granted, reasonCode: 0 } as Packet);
      } else if (packet.cmd === 'pingreq') side.send({ cmd: 'pingresp' });
      else if (packet.cmd === 'publish' && packet.qos === 1)
        side.send({ cmd: 'puback', messageId: packet.messageId!, reasonCode: 0 } as Packet);
    });
    socket.on('data', (chunk: Buffer) => codec.parse(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      side.closed = true;
      this.#sockets.delete(socket);
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
