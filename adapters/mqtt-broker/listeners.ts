import { readFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { GatewayError } from '../../gateway/errors.ts';
import type { Log } from '../../gateway/ports/log.ts';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string | undefined;
}

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsFiles | undefined;
  /** Sockets at a time, those in a TLS handshake included; more are closed at once. */
  readonly maxSockets: number;
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** A listening socket of the door. */
export interface Listener {
  readonly address: string;
  close(): Promise<void>;
}

/** How long a TLS handshake may take, ms. */
const HANDSHAKE_MS = 10_000;

/**
 * Listens on TCP, or on TLS when `tls` is given.
 * @throws GatewayError LISTEN_FAILED, TLS_FILES
 */
export async function listen(
  options: ListenOptions,
  onSocket: (socket: Socket, peer: string) => void,
): Promise<Listener> {
  const accept = (socket: Socket): void => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    onSocket(socket, socket.remoteAddress ?? 'unknown');
  };
  const server = options.tls ? await tlsServer(options.tls, accept) : createServer(accept);
  const scheme = options.tls ? 'mqtts' : 'mqtt';
  server.maxConnections = options.maxSockets;
  await bind(server, options, scheme);
  const bound = server.address();
  const port = typeof bound === 'object' && bound ? bound.port : options.port;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    address: `${scheme}://${host}:${port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function tlsServer(files: TlsFiles, accept: (socket: Socket) => void): Promise<Server> {
  const read = async (path: string): Promise<Buffer> => {
    try {
      return await readFile(path);
    } catch (cause) {
      throw new GatewayError('TLS_FILES', `cannot read ${path}`, { received: path, cause });
    }
  };
  const ca = files.ca === undefined ? undefined : await read(files.ca);
  const [cert, key] = await Promise.all([read(files.cert), read(files.key)]);
  try {
    // Imported, the module would unpack the certificates of all authorities: 5 MiB.
    const server = process.getBuiltinModule('node:tls').createServer(
      {
        cert,
        key,
        handshakeTimeout: HANDSHAKE_MS,
        ...(ca ? { ca, requestCert: true, rejectUnauthorized: true } : {}),
      },
      accept,
    );
    // A handshake that fails ends that connection; there is no session to tell it to.
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    return server;
  } catch (cause) {
    throw new GatewayError('TLS_FILES', `certificate or key not usable: ${String(cause)}`, {
      received: files.cert,
      cause,
    });
  }
}

function bind(server: Server, options: ListenOptions, scheme: string): Promise<void> {
  const { host, port, signal, log } = options;
  const where = `${scheme}://${host}:${port}`;
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(
        new GatewayError('LISTEN_FAILED', `cannot listen on ${where}: ${cause.message}`, {
          received: where,
          cause,
        }),
      );
    server.once('error', fail);
    server.listen({ host, port, signal }, () => {
      server.off('error', fail);
      // Out of file descriptors, mostly: this connection is lost, the next may succeed.
      server.on('error', (error) =>
        log.error({ where, error: error.message }, 'mqtt: could not accept a connection'),
      );
      resolve();
    });
  });
}
