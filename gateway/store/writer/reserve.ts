import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isDiskFault } from './faults.ts';

const CHUNK_BYTES = 65_536;
const LEAST_BYTES = 256 * 1024;

/**
 * A file of zeros that keeps space for cleaning up: on a full disk even deleting needs some, for the log. Given up when
 * the disk is full, made again when there is room.
 */
export class Reserve {
  readonly #file: string;
  readonly #dir: string;
  readonly size: number;
  held = false;

  /** @param most bytes; a small disk gets an eighth of itself */
  constructor(dir: string, most: number) {
    this.#dir = dir;
    this.#file = join(dir, 'reserve');
    const disk = statfsSync(dir);
    this.size = Math.round(Math.max(LEAST_BYTES, Math.min(most, (disk.blocks * disk.bsize) / 8)));
  }

  /** Takes the space if as much again stays free. Returns whether it is held. */
  hold(): boolean {
    if (this.held) return true;
    if (statSync(this.#file, { throwIfNoEntry: false })?.size === this.size) {
      this.held = true;
      return true;
    }
    if (this.free() < 2 * this.size) return false;
    try {
      this.#write();
      this.held = true;
    } catch (error) {
      this.release();
      if (!isDiskFault(error)) throw error;
    }
    return this.held;
  }

  release(): void {
    this.held = false;
    rmSync(this.#file, { force: true });
  }

  free(): number {
    const disk = statfsSync(this.#dir);
    return disk.bavail * disk.bsize;
  }

  #write(): void {
    const fd = openSync(this.#file, 'w', 0o600);
    try {
      const zeros = new Uint8Array(CHUNK_BYTES);
      for (let at = 0; at < this.size; at += CHUNK_BYTES) {
        writeSync(fd, zeros, 0, Math.min(CHUNK_BYTES, this.size - at));
      }
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}
