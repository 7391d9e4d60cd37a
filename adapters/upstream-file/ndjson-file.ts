import { type FileHandle, mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface Rotation {
  /** A file that would grow beyond this is rotated first. */
  readonly maxBytes: number;
  /** Rotated files kept: `path.1` is the newest. */
  readonly keep: number;
}

/** How far back from the end a line end is looked for at a time. */
const REPAIR_STEP = 64 * 1024;

/** An append-only file of lines. What `append` has resolved is on the disk; what it rejected is not in the file. */
export class NdjsonFile {
  readonly #path: string;
  readonly #rotation: Rotation;
  #handle: FileHandle | undefined;
  #size = 0;
  #repaired = 0;

  constructor(path: string, rotation: Rotation) {
    this.#path = path;
    this.#rotation = rotation;
  }

  /** Appends lines, all or none. Answers how many bytes of a torn last line were removed before. */
  async append(lines: readonly string[]): Promise<number> {
    const bytes = Buffer.from(`${lines.join('\n')}\n`);
    let handle = await this.#opened();
    if (this.#size > 0 && this.#size + bytes.length > this.#rotation.maxBytes) {
      await this.#rotate();
      handle = await this.#opened();
    }
    try {
      await handle.appendFile(bytes);
      await handle.datasync();
    } catch (error) {
      await this.#takeBack(handle);
      throw error;
    }
    this.#size += bytes.length;
    const repaired = this.#repaired;
    this.#repaired = 0;
    return repaired;
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #opened(): Promise<FileHandle> {
    // Somebody else may have moved or removed the file, as logrotate does.
    if (this.#handle && (await this.#moved(this.#handle))) await this.close();
    if (this.#handle) return this.#handle;
    await mkdir(dirname(this.#path), { recursive: true });
    const handle = await open(this.#path, 'a+', 0o640);
    try {
      const { size } = await handle.stat();
      this.#size = await endOfLastLine(handle, size);
      this.#repaired = size - this.#size;
      if (this.#repaired > 0) await handle.truncate(this.#size);
      await syncFolder(dirname(this.#path));
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.#handle = handle;
    return handle;
  }

  async #moved(handle: FileHandle): Promise<boolean> {
    const [own, there] = await Promise.all([
      handle.stat(),
      stat(this.#path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      }),
    ]);
    return own.ino !== there?.ino || own.dev !== there.dev;
  }

  /** A crash between two renames leaves a number unused, never a file lost but the oldest. */
  async #rotate(): Promise<void> {
    await this.close();
    for (let number = this.#rotation.keep; number > 0; number--) {
      const from = number === 1 ? this.#path : `${this.#path}.${number - 1}`;
      await rename(from, `${this.#path}.${number}`).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
    await syncFolder(dirname(this.#path));
  }

  /** After a full disk: cuts off what was written of a batch, or lets the next opening do so. */
  async #takeBack(handle: FileHandle): Promise<void> {
    try {
      await handle.truncate(this.#size);
    } catch {
      // The caller gets the first error; the repair on opening sees to the torn line, ids to whole ones.
      await this.close();
    }
  }
}

/** Length of the file up to and including its last line end. */
async function endOfLastLine(handle: FileHandle, size: number): Promise<number> {
  const buffer = Buffer.alloc(Math.min(size, REPAIR_STEP));
  for (let end = size; end > 0; ) {
    const length = Math.min(end, buffer.length);
    const { bytesRead } = await handle.read(buffer, 0, length, end - length);
    const at = buffer.subarray(0, bytesRead).lastIndexOf(0x0a);
    if (at >= 0) return end - length + at + 1;
    end -= length;
  }
  return 0;
}

/** Makes a new name in a folder survive a power cut. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
