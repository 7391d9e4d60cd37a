import { Duplex } from 'node:stream';
import type { InboundProperties } from '../../gateway/ports/source.ts';
import { FrameCutter } from '../mqtt-broker/frames.ts';
import { PUBLISH, readString } from '../mqtt-broker/guard.ts';
import { readProperties, readVariable } from './properties.ts';

/** Only inference requests have properties that matter: an answer may be wanted somewhere. */
const WITH_PROPERTIES = 'aimx/infer/';

export interface TappedPublish {
  readonly topic: string;
  readonly qos: 0 | 1;
  /** 0 with QoS 0. */
  readonly packetId: number;
  readonly payload: Buffer;
  readonly properties?: InboundProperties;
}

export interface TapHost {
  /** Largest packet that is still read, so that one too large for the gateway can be acknowledged and counted. */
  readonly maxPacketBytes: number;
  readonly version: 4 | 5;
  onPublish(publish: TappedPublish): void;
}

/**
 * Stands between the broker's socket and the `mqtt` client: takes PUBLISH packets of QoS 0 and 1 out, because the client
 * handles one message at a time and would wait for a commit after each; leaves everything else to it.
 */
export class PublishTap extends Duplex {
  readonly #socket: Duplex;
  readonly #host: TapHost;
  readonly #cutter: FrameCutter;
  #paused = false;

  constructor(socket: Duplex, host: TapHost) {
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.#host = host;
    this.#cutter = new FrameCutter(host.maxPacketBytes, (data, start, body, end) =>
      this.#onFrame(data, start, body, end),
    );
    socket.on('data', (chunk: Buffer) => {
      const fault = this.#cutter.push(chunk);
      if (fault) this.destroy(new Error(`broker sent a packet with a bad length (${fault})`));
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  /** Acknowledges a message (PUBACK without reason means success in both versions). */
  acknowledge(packetId: number): void {
    if (!this.#socket.writable) return;
    this.#socket.write(Buffer.from([0x40, 2, packetId >> 8, packetId & 255]));
  }

  /** Stops or goes on reading from the broker. */
  setPaused(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (paused) this.#socket.pause();
    else this.#socket.resume();
  }

  #onFrame(data: Buffer, start: number, body: number, end: number): boolean {
    const type = data[start]! >> 4;
    const qos = (data[start]! >> 1) & 3;
    if (type !== PUBLISH || qos > 1) {
      this.push(data.subarray(start, end));
      return true;
    }
    const publish = this.#parse(data, body, end, qos as 0 | 1);
    if (publish) this.#host.onPublish(publish);
    else this.destroy(new Error('broker sent a malformed PUBLISH'));
    return !this.destroyed;
  }

  #parse(data: Buffer, body: number, end: number, qos: 0 | 1): TappedPublish | null {
    const topic = readString(data, body, end);
    if (topic === null || topic.length === 0) return null;
    let at = body + 2 + ((data[body]! << 8) | data[body + 1]!);
    let packetId = 0;
    if (qos === 1) {
      if (at + 2 > end) return null;
      packetId = (data[at]! << 8) | data[at + 1]!;
      at += 2;
    }
    if (this.#host.version === 4) return { topic, qos, packetId, payload: data.subarray(at, end) };
    const length = readVariable(data, at, end);
    if (!length || length.at + length.value > end) return null;
    const from = length.at;
    at = from + length.value;
    const payload = data.subarray(at, end);
    // Nothing in the properties (MQTT 5 §3.3.2.3) changes what a reading is; no topic alias was offered.
    if (!topic.startsWith(WITH_PROPERTIES)) return { topic, qos, packetId, payload };
    const properties = readProperties(data, from, at);
    return properties && { topic, qos, packetId, payload, properties };
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#socket.write(chunk, callback);
  }

  override _final(callback: () => void): void {
    this.#socket.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#socket.destroy();
    callback(error);
  }
}
