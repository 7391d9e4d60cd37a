import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { GatewayError } from '../../gateway/errors.ts';

const TRIES = 50;

/** Whether a port on loopback can be listened on. */
function free(port: number, kind: 'tcp' | 'udp'): Promise<boolean> {
  return new Promise((done) => {
    if (kind === 'tcp') {
      const server = createServer();
      server.once('error', () => done(false));
      server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
    } else {
      const socket = createSocket('udp4');
      socket.once('error', () => {
        socket.close();
        done(false);
      });
      socket.bind(port, '127.0.0.1', () => socket.close(() => done(true)));
    }
  });
}

/** `wanted` if it is free, else the next free port above it that is not in `taken`. */
export async function portNear(
  wanted: number,
  kind: 'tcp' | 'udp',
  taken: ReadonlySet<number>,
): Promise<number> {
  for (let port = wanted; port < wanted + TRIES; port++) {
    if (!taken.has(port) && (await free(port, kind))) return port;
  }
  throw new GatewayError(
    'LISTEN_FAILED',
    `no free ${kind} port from ${wanted} to ${wanted + TRIES - 1} on 127.0.0.1`,
  );
}
