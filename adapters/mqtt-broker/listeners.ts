import { readFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { GatewayError } from '../../gateway/errors.ts';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string | undefined;
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
  options: { host: string; port: number; tls?: TlsFiles | undefined; signal: AbortSignal },
  onSocket: (socket: Socket, peer: string) => void,
): Promise<Listener> {
  const accept = (socket: Socket): void => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    onSocket(socket, socket.remoteAddress ?? 'unknown');
  };
  const server = options.tls ? await tlsServer(options.tls, accept) : createServer(accept);
  const scheme = options.tls ? 'mqtts' : 'mqtt';
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
    const server = createTlsServer(
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

function bind(
  server: Server,
  options: { host: string; port: number; signal: AbortSignal },
  scheme: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const where = `${scheme}://${options.host}:${options.port}`;
      reject(
        new GatewayError('LISTEN_FAILED', `cannot listen on ${where}: ${cause.message}`, {
          received: where,
          cause,
        }),
      );
    });
    server.listen({ host: options.host, port: options.port, signal: options.signal }, () => {
      server.removeAllListeners('error');
      server.on('error', () => undefined);
      resolve();
    });
  });
}
