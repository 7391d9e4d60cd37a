import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

/** Peers are given by address, so nothing is looked up on the way out. */
function noLookup(family: number) {
  return (
    address: string,
    _options: unknown,
    callback: (error: Error | null, address: string, family: number) => void,
  ): void => callback(null, address, family);
}

export interface UdpOptions {
  readonly host: string;
  readonly port: number;
  readonly signal: AbortSignal;
  onDatagram(datagram: Buffer, from: RemoteInfo): void;
  onError(error: Error): void;
}

/** Binds an IPv4 or IPv6 socket as `host` says; `::` takes both. Rejects when the address cannot be had. */
export async function openUdp(options: UdpOptions): Promise<Socket> {
  options.signal.throwIfAborted();
  const family = isIP(options.host);
  const target =
    family === 0 ? await lookup(options.host, { order: 'ipv4first' }) : { address: options.host, family };
  options.signal.throwIfAborted();
  const socket = createSocket({
    type: target.family === 6 ? 'udp6' : 'udp4',
    lookup: noLookup(target.family) as never,
    // A burst of a thousand devices must fit while the event loop is busy; the system may grant less.
    recvBufferSize: 4 << 20,
    sendBufferSize: 1 << 20,
  });
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error) => {
      socket.close();
      reject(error);
    };
    socket.once('error', failed);
    socket.bind({ address: target.address, port: options.port, exclusive: true }, () => {
      socket.off('error', failed);
      resolve();
    });
  });
  socket.on('error', options.onError);
  socket.on('message', options.onDatagram);
  return socket;
}
