import { Duplex } from 'node:stream';
import type { Connection } from './connection.ts';

/**
 * What aedes takes for its client's socket. Control packets that the door leaves to aedes are pushed in whole and
 * already checked; what aedes writes goes to the connection's egress without passing through a stream's machinery,
 * since aedes writes each packet in many small pieces.
 */
export class Bridge extends Duplex {
  readonly connection: Connection;
  #waiting = false;

  constructor(connection: Connection) {
    super({ allowHalfOpen: false, emitClose: true });
    this.connection = connection;
  }

  override write(chunk: Uint8Array | string): boolean {
    if (this.destroyed) return true;
    const room = this.connection.putFromBroker(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    if (!room) this.#waiting = true;
    return room;
  }

  override cork(): void {}

  override uncork(): void {}

  override _read(): void {
    this.connection.brokerWantsMore();
  }

  /** There is room again for what aedes writes. */
  drained(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.emit('drain');
  }

  override _final(callback: () => void): void {
    callback();
  }

  override _destroy(_error: Error | null, callback: (error: Error | null) => void): void {
    this.connection.brokerClosed();
    callback(null);
  }
}
