import { createServer, type Socket } from 'node:net';
import { generate, type IPublishPacket, type Packet, parser } from 'mqtt-packet';
import { onTestFinished } from 'vitest';

export interface RecordingBrokerOptions {
  readonly protocolVersion?: 4 | 5;
  /** CONNACK properties (MQTT 5). */
  readonly properties?: { readonly receiveMaximum?: number; readonly maximumPacketSize?: number };
  /** The PUBACK reason code of a message, `null` for no answer. Default: 0. */
  readonly answer?: (packet: IPublishPacket) => number | null;
}

/**
 * The publishing half of an MQTT broker on a real socket: it keeps each message before it acknowledges it, as a broker
 * with a disk does, and can be told to misbehave.
 */
export async function recordingBroker(options: RecordingBrokerOptions = {}) {
  const { protocolVersion = 4, properties, answer = () => 0 } = options;
  const received: { topic: string; payload: string }[] = [];
  const sockets = new Set<Socket>();
  let mostOutstanding = 0;

  const server = createServer((socket) => {
    sockets.add(socket);
    const input = parser({ protocolVersion });
    let outstanding = 0;
    const send = (packet: Packet): void => void socket.write(generate(packet, { protocolVersion }));
    input.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connect') {
        send({
          cmd: 'connack',
          returnCode: 0,
          reasonCode: 0,
          sessionPresent: false,
          ...(properties ? { properties } : {}),
        });
      } else if (packet.cmd === 'pingreq') {
        send({ cmd: 'pingresp' });
      } else if (packet.cmd === 'publish') {
        const code = answer(packet);
        outstanding++;
        mostOutstanding = Math.max(mostOutstanding, outstanding);
        if (code === null) return;
        if (code < 0x80) received.push({ topic: packet.topic, payload: packet.payload.toString() });
        if (packet.qos === 0) return;
        setImmediate(() => {
          outstanding--;
          if (socket.writable) send({ cmd: 'puback', messageId: packet.messageId!, reasonCode: code });
        });
      }
    });
    input.on('error', () => socket.destroy());
    socket.on('data', (chunk) => input.parse(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    port: (server.address() as { port: number }).port,
    received,
    ids: () => received.map(({ payload }) => (JSON.parse(payload) as { id: string }).id),
    mostOutstanding: () => mostOutstanding,
    /** Ends all connections at once. */
    reset: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
  };
}
