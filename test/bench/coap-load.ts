/**
 * CoAP load generator: raw sockets and pre-encoded packets, a window of unanswered confirmable requests per socket.
 * Arguments: port, path, content format (-1: none), payload bytes, messages, sockets, window. Prints JSON.
 */
import { createSocket, type Socket } from 'node:dgram';

const [port, path, format, size, messages, sockets, window] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
  string,
];
const total = Number(messages);

/** CON POST with a token of four bytes; Message ID at 2, token at 4. */
function template(): Buffer {
  const bytes: number[] = [0x44, 0x02, 0, 0, 0, 0, 0, 0];
  let previous = 0;
  const option = (number: number, value: Uint8Array) => {
    bytes.push(((number - previous) << 4) | Math.min(value.length, 13));
    if (value.length >= 13) bytes.push(value.length - 13);
    bytes.push(...value);
    previous = number;
  };
  for (const segment of path.split('/')) option(11, Buffer.from(segment));
  if (Number(format) >= 0) option(12, Buffer.from(Number(format) === 0 ? [] : [Number(format)]));
  const body = `{"value":21.5,"pad":"${'x'.repeat(Math.max(0, Number(size) - 22))}"}`;
  bytes.push(0xff, ...Buffer.from(body));
  return Buffer.from(bytes);
}

const counts = { sent: 0, acknowledged: 0, failed: 0, retransmitted: 0 };
let started = 0;
let finish = (): void => {};
const done = new Promise<void>((resolve) => {
  finish = resolve;
});

interface Device {
  readonly socket: Socket;
  /** Sent and not answered, by Message ID. */
  readonly open: Map<number, { bytes: Buffer; at: number }>;
  next: number;
}

function fill(device: Device): void {
  while (device.open.size < Number(window) && counts.sent < total) {
    const id = device.next;
    device.next = (id + 1) & 0xffff;
    counts.sent += 1;
    const bytes = Buffer.from(packet);
    bytes.writeUInt16BE(id, 2);
    bytes.writeUInt32BE(counts.sent, 4);
    device.open.set(id, { bytes, at: performance.now() });
    device.socket.send(bytes);
  }
}

const packet = template();
const devices: Device[] = [];
for (let i = 0; i < Number(sockets); i += 1) {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.connect(Number(port), '127.0.0.1', resolve));
  const device: Device = { socket, open: new Map(), next: Math.floor(Math.random() * 65536) };
  socket.on('message', (reply) => {
    if (!device.open.delete(reply.readUInt16BE(2))) return;
    if (reply[1]! >> 5 === 2) counts.acknowledged += 1;
    else counts.failed += 1;
    if (counts.acknowledged + counts.failed === total) finish();
    else fill(device);
  });
  devices.push(device);
}

started = performance.now();
for (const device of devices) fill(device);
const repair = setInterval(() => {
  const late = performance.now() - 1_000;
  for (const device of devices) {
    for (const one of device.open.values()) {
      if (one.at > late) continue;
      one.at = performance.now();
      counts.retransmitted += 1;
      device.socket.send(one.bytes);
    }
  }
}, 250);
await done;
const seconds = (performance.now() - started) / 1000;
clearInterval(repair);
for (const device of devices) device.socket.close();
console.log(JSON.stringify({ ...counts, seconds, rate: total / seconds }));
