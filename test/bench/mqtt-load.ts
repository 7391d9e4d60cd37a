/**
 * A load generator for MQTT 3.1.1 that is not the bottleneck: raw sockets, pre-encoded packets, its own process.
 *
 *   node test/bench/mqtt-load.ts '{"port":1883,"publishers":10,"messages":100000}'
 *
 * Prints one line of JSON: messages, seconds, rate (per s), ackUs (p50, p90, p99, max of PUBLISH → PUBACK in
 * microseconds), delivered and deliveryUs when it subscribes too, and its own CPU share, so that a run in which the
 * generator was the bottleneck can be told.
 */
import { connect, type Socket } from 'node:net';
import { generate } from 'mqtt-packet';
import { FrameCutter } from '../../adapters/mqtt-broker/frames.ts';

export interface LoadOptions {
  readonly host: string;
  readonly port: number;
  readonly publishers: number;
  readonly messages: number;
  readonly qos: 0 | 1;
  /** Outstanding acknowledgements of one publisher. */
  readonly window: number;
  /** Packets in one write: 1 is a device that sends one packet at a time. */
  readonly burst: number;
  /** Payload bytes. */
  readonly size: number;
  /** `{n}` stands for the number of the publisher, `{d}` for that of the device. */
  readonly topic: string;
  /** Devices over all publishers, each publisher sending for its share in turn; 0: one device per publisher. */
  readonly devices: number;
  /** JSON payload with this field set to a changing number; padded to `size`. */
  readonly field: string;
  /** Filter to subscribe to, with {@link subscribeQos}, or null. */
  readonly subscribe: string | null;
  readonly subscribeQos: 0 | 1;
  /** Deliveries to wait for before the run counts as done; 0: none. */
  readonly expectDelivered: number;
  /** Deliveries of one device that are missing at its start (a window that fills): for the latency of the others. */
  readonly lag: number;
  /** Messages per second over all publishers; 0: as fast as acknowledgements allow. */
  readonly rate: number;
  readonly maxSeconds: number;
  readonly username?: string;
  readonly password?: string;
}

const defaults: LoadOptions = {
  host: '127.0.0.1',
  port: 1883,
  publishers: 10,
  messages: 100_000,
  qos: 1,
  window: 1000,
  burst: 32,
  size: 200,
  topic: 'aimx/s/load/dev{d}',
  devices: 0,
  field: 'value',
  subscribe: null,
  subscribeQos: 1,
  expectDelivered: 0,
  lag: 0,
  rate: 0,
  maxSeconds: 60,
};

const ACK_SAMPLES = 1_000_000;
/** Packets made in advance per publisher, at least one for each of its devices. */
const PACKETS = 64;

/** When each device sent what has not been delivered yet: a subscriber gets them in the same order. */
class SendTimes {
  readonly #byDevice = new Map<string, { times: Float64Array; sent: number; seen: number }>();
  readonly ms: number[] = [];

  sent(device: string, now: number): void {
    let one = this.#byDevice.get(device);
    if (one === undefined) {
      one = { times: new Float64Array(8192), sent: 0, seen: 0 };
      this.#byDevice.set(device, one);
    }
    one.times[one.sent++ & 8191] = now;
  }

  delivered(device: string, lag: number): void {
    const one = this.#byDevice.get(device);
    if (one !== undefined) this.ms.push(performance.now() - one.times[(one.seen++ + lag) & 8191]!);
  }
}

class Publisher {
  readonly socket: Socket;
  readonly #options: LoadOptions;
  readonly #packets: { bytes: Buffer; packetIdAt: number; device: string }[];
  readonly #times: SendTimes | null;
  readonly #sentAt = new Float64Array(65_536);
  #next = 0;
  #packetId = 0;
  /** What it has still to send. */
  left = 0;
  outstanding = 0;
  acked = 0;

  /** Sends for each of `topics` in turn. */
  constructor(socket: Socket, topics: readonly string[], options: LoadOptions, times: SendTimes | null) {
    this.socket = socket;
    this.#options = options;
    this.#times = times;
    const count = topics.length * Math.ceil(PACKETS / topics.length);
    this.#packets = Array.from({ length: count }, (_, i) => {
      const topic = topics[i % topics.length]!;
      const bytes = encode(topic, i % PACKETS, options);
      return { bytes, packetIdAt: bytes.length - options.size - 2, device: lastLevel(topic) };
    });
  }

  /** Writes `count` packets in one piece. */
  send(count: number): void {
    let length = 0;
    for (let i = 0; i < count; i++)
      length += this.#packets[(this.#next + i) % this.#packets.length]!.bytes.length;
    const bytes = Buffer.allocUnsafe(length);
    const now = performance.now();
    let at = 0;
    for (let i = 0; i < count; i++) {
      const packet = this.#packets[this.#next]!;
      packet.bytes.copy(bytes, at);
      this.#next = (this.#next + 1) % this.#packets.length;
      this.#times?.sent(packet.device, now);
      if (this.#options.qos === 1) {
        this.#packetId = this.#packetId === 65_535 ? 1 : this.#packetId + 1;
        bytes.writeUInt16BE(this.#packetId, at + packet.packetIdAt);
        this.#sentAt[this.#packetId] = now;
      }
      at += packet.bytes.length;
    }
    this.left -= count;
    this.outstanding += count;
    this.socket.write(bytes);
  }

  onAck(packetId: number): number {
    this.acked++;
    this.outstanding--;
    return performance.now() - this.#sentAt[packetId]!;
  }
}

const lastLevel = (topic: string): string => topic.slice(topic.lastIndexOf('/') + 1);

function encode(topic: string, i: number, options: LoadOptions): Buffer {
  const head = `{"${options.field}":${(20 + i / 8).toFixed(3)},"pad":"`;
  const payload = Buffer.from(`${head}${'x'.repeat(Math.max(0, options.size - head.length - 2))}"}`);
  if (payload.length !== options.size) throw new Error(`payloads need at least ${payload.length} bytes`);
  const common = { cmd: 'publish', topic, payload, retain: false, dup: false } as const;
  return options.qos === 0 ? generate({ ...common, qos: 0 }) : generate({ ...common, qos: 1, messageId: 1 });
}

async function open(options: LoadOptions, clientId: string): Promise<Socket> {
  const socket = connect(options.port, options.host);
  socket.setNoDelay(true);
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', resolve);
  });
  const login = options.username
    ? { username: options.username, password: Buffer.from(options.password ?? '') }
    : {};
  socket.write(
    generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId,
      keepalive: 0,
      ...login,
    }),
  );
  const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
  if (answer[0] !== 0x20 || answer[3] !== 0) throw new Error(`not let in: CONNACK ${answer.toString('hex')}`);
  return socket;
}

function topicsOf(n: number, { topic, devices, publishers }: LoadOptions): string[] {
  const total = Math.max(devices, publishers);
  const mine = Array.from({ length: total }, (_, d) => d).filter((d) => d % publishers === n);
  return mine.map((d) => topic.replace('{n}', String(n)).replace('{d}', String(d)));
}

function quantiles(samples: number[]): Record<string, number> {
  samples.sort((a, b) => a - b);
  const at = (q: number): number => Math.round((samples[Math.floor((samples.length - 1) * q)] ?? 0) * 1000);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

async function run(options: LoadOptions): Promise<Record<string, unknown>> {
  const ackMs: number[] = [];
  let delivered = 0;
  const times = options.subscribe !== null && options.rate > 0 ? new SendTimes() : null;
  let wake = (): void => undefined;
  const subscriber = options.subscribe === null ? null : await open(options, `load-sub-${process.pid}`);
  if (subscriber) {
    const subscriptions = [{ topic: options.subscribe!, qos: options.subscribeQos }];
    subscriber.write(generate({ cmd: 'subscribe', messageId: 1, subscriptions }));
    let acks: number[] = [];
    const cutter = new FrameCutter(1 << 20, (data, start, body) => {
      if (data[start]! >> 4 !== 3) return true;
      delivered++;
      const at = body + 2 + ((data[body]! << 8) | data[body + 1]!);
      if (times !== null) times.delivered(lastLevel(data.toString('latin1', body + 2, at)), options.lag);
      if ((data[start]! >> 1) & 3) acks.push(0x40, 2, data[at]!, data[at + 1]!);
      return true;
    });
    await new Promise((resolve) => subscriber.once('data', resolve));
    subscriber.on('data', (chunk: Buffer) => {
      cutter.push(chunk);
      if (acks.length > 0) subscriber.write(Buffer.from(acks));
      acks = [];
      wake();
    });
  }
  const publishers: Publisher[] = [];
  for (let n = 0; n < options.publishers; n++) {
    const socket = await open(options, `load-${process.pid}-${n}`);
    const publisher = new Publisher(socket, topicsOf(n, options), options, times);
    publisher.left = Math.floor((options.messages + n) / options.publishers);
    const cutter = new FrameCutter(1 << 20, (data, start, body) => {
      if (data[start]! >> 4 !== 4) return true;
      const ms = publisher.onAck((data[body]! << 8) | data[body + 1]!);
      if (ackMs.length < ACK_SAMPLES) ackMs.push(ms);
      return true;
    });
    socket.on('data', (chunk: Buffer) => {
      cutter.push(chunk);
      wake();
    });
    socket.on('close', () => wake());
    publishers.push(publisher);
  }
  let sent = 0;
  const began = performance.now();
  const cpu = process.cpuUsage();
  const acked = (): number => publishers.reduce((sum, publisher) => sum + publisher.acked, 0);
  const complete = (): boolean =>
    sent >= options.messages &&
    (options.qos === 0 || acked() >= options.messages) &&
    delivered >= options.expectDelivered;
  const late = (): boolean => performance.now() - began > options.maxSeconds * 1000;
  const due = (): number =>
    options.rate === 0
      ? options.messages
      : Math.min(options.messages, Math.floor(((performance.now() - began) / 1000) * options.rate));

  await new Promise<void>((resolve) => {
    let turn = 0;
    wake = () => {
      if (complete() || late() || publishers.some((publisher) => publisher.socket.destroyed)) {
        resolve();
        return;
      }
      for (let idle = 0; idle < publishers.length && sent < due(); ) {
        const publisher = publishers[turn++ % publishers.length]!;
        const room =
          options.qos === 0
            ? publisher.socket.writableNeedDrain
              ? 0
              : Number.POSITIVE_INFINITY
            : options.window - publisher.outstanding;
        const count = Math.min(options.burst, due() - sent, publisher.left);
        if (count === 0 || room < count) {
          idle++;
          continue;
        }
        idle = 0;
        publisher.send(count);
        sent += count;
      }
    };
    const timer = setInterval(() => {
      if (complete() || late()) clearInterval(timer);
      wake();
    }, 1);
    wake();
  });
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  for (const publisher of publishers) publisher.socket.destroy();
  subscriber?.destroy();
  return {
    messages: sent,
    acked: acked(),
    delivered,
    seconds: Number(seconds.toFixed(3)),
    rate: Math.round((options.qos === 0 ? sent : acked()) / seconds),
    ackUs: quantiles(ackMs),
    ...(times === null ? {} : { deliveryUs: quantiles(times.ms) }),
    generatorCpu: Number(((user + system) / 1e6 / seconds).toFixed(2)),
    complete: complete(),
  };
}

if (import.meta.main) {
  const options = { ...defaults, ...(JSON.parse(process.argv[2] ?? '{}') as Partial<LoadOptions>) };
  console.log(JSON.stringify(await run(options)));
  process.exit(0);
}
