import { connect, createServer, type Server, type Socket } from 'node:net';

/** A link in front of a TCP service that can be cut and mended, on a port that stays the same. */
export interface TcpGate {
  readonly port: number;
  /** Refuses connections and resets those that stand. */
  cut(): Promise<void>;
  mend(): Promise<void>;
  close(): Promise<void>;
}

export async function tcpGate(target: () => number): Promise<TcpGate> {
  const sockets = new Set<Socket>();
  let server: Server | null = null;
  let port = 0;

  const bridge = (near: Socket): void => {
    const far = connect(target(), '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      // Either end going takes the other along; which error it was does not matter to a link.
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  };
  const mend = async (): Promise<void> => {
    if (server) return;
    const next = createServer(bridge);
    await new Promise<void>((resolve, reject) => {
      next.once('error', reject);
      next.listen(port, '127.0.0.1', resolve);
    });
    port = (next.address() as { port: number }).port;
    server = next;
  };
  const cut = async (): Promise<void> => {
    const old = server;
    server = null;
    if (!old) return;
    const closed = new Promise((resolve) => old.close(resolve));
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
  };
  await mend();
  return {
    get port() {
      return port;
    },
    cut,
    mend,
    close: cut,
  };
}
