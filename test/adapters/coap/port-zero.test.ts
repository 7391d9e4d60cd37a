import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { openClient, openDoor } from './harness.ts';

const run = promisify(execFile);

/** A UDP datagram with source port 0 (RFC 768 allows it); needs a raw socket, which Node has not. */
const SENDER = `
import socket, struct, sys
port = int(sys.argv[1])
payload = bytes.fromhex(sys.argv[2])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
raw.sendto(struct.pack('!HHHH', 0, port, 8 + len(payload), 0) + payload, ('127.0.0.1', 0))
`;

test('datagrams from port 0 are dropped and counted, and the door goes on', async ({ skip }) => {
  const { port, server, intake } = await openDoor();
  const messages = ['40000001', '40010001ff', '44020001aabbccddb173ff31', '00'];
  for (const message of messages) {
    const failure = await run('python3', ['-c', SENDER, String(port), message]).then(
      () => null,
      (error: Error) => error,
    );
    if (failure !== null)
      return skip(
        `cannot send from port 0 (needs python3 and the right to raw sockets): ${failure.message.split('\n').at(-2)}`,
      );
  }
  await until(() => server.stats().portZero === messages.length, 'the datagrams');
  expect(server.stats()).toMatchObject({ requests: 0, sent: 0, faults: 0 });
  const client = await openClient(port);
  const sent = await client.request({ method: 'POST', path: 's/temperature/m', payload: Buffer.from('1') });
  expect(sent.code).toBe(0x44);
  expect(intake.offered).toHaveLength(1);
});
