import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface Hello {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** Return codes of CONNACK [MQTT 3.1.1 §3.2.2.3]. */
const REFUSALS: Readonly<Record<number, string>> = {
  1: 'it does not speak MQTT 3.1.1',
  2: 'it refuses this client identifier',
  3: 'it is not available now',
  4: 'it refuses this name and password',
  5: 'it does not let this user in',
};

/** Says hello to an MQTT 3.1.1 broker and leaves again. Answers what is wrong, undefined when it lets us in. */
export function mqttHello(hello: Hello, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const { host, port } = hello;
    const socket = hello.tls ? connectTls({ host, port, servername: host }) : connectTcp({ host, port });
    let received = Buffer.alloc(0);
    const end = (problem: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(problem);
    };
    const timer = setTimeout(() => end('it does not answer'), timeoutMs);
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    socket.once('close', () => end('it closed the connection: it may not be an MQTT broker'));
    socket.once(hello.tls ? 'secureConnect' : 'connect', () => socket.write(connectPacket(hello)));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4) return;
      if (received[0] !== 0x20) return end('it answers, but not as an MQTT broker');
      const code = received[3]!;
      // DISCONNECT, so that nobody takes this for a loss.
      socket.write(Buffer.from([0xe0, 0]));
      end(code === 0 ? undefined : (REFUSALS[code] ?? `it refuses with code ${code}`));
    });
  });
}

/** A CONNECT with a clean session and no client identifier of ours [MQTT-3.1.3-7]. */
function connectPacket({ username, password }: Hello): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
  };
  const flags = 2 | (username === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  const body = Buffer.concat([
    text('MQTT'),
    Buffer.from([4, flags, 0, 10]),
    text(''),
    ...[username, password].flatMap((value) => (value === undefined ? [] : [text(value)])),
  ]);
  const length: number[] = [];
  for (let left = body.length; length.length === 0 || left > 0; left >>= 7)
    length.push((left & 127) | (left > 127 ? 128 : 0));
  return Buffer.concat([Buffer.from([0x10, ...length]), body]);
}
