import { GatewayError } from '../../errors.ts';

/** Larger bundles are refused: this is a small machine. */
export const MAX_BUNDLE_BYTES = 2 * 1024 ** 3;
export const MAX_FILES = 1000;
const MAX_DEPTH = 16;
/** A file that grows more than this when it is unpacked is a bomb; small ones may. */
const MAX_RATIO = 200;
const SMALL = 64 * 1024 * 1024;

/** One file of an archive, its content in pieces. */
export interface ArchiveFile {
  /** As the archive writes it. */
  readonly name: string;
  readonly content: AsyncIterable<Uint8Array>;
}

export const wrong = (message: string): GatewayError => new GatewayError('MODEL_ARCHIVE', message);

/**
 * The path of an entry below the folder it is unpacked to, with `/`. Throws MODEL_ARCHIVE for one that leads out of it
 * or that some system would read as another.
 */
export function safePath(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  const bad =
    name.startsWith('/') ||
    parts.includes('..') ||
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    /[\\\u0000-\u001f\u007f]|^[A-Za-z]:/.test(name) ||
    !name.isWellFormed() ||
    name.includes('\uFFFD');
  if (bad)
    throw wrong(`an entry is named ${JSON.stringify(name.slice(0, 200))}, which is no path inside a bundle`);
  if (parts.length > MAX_DEPTH || parts.some((part) => Buffer.byteLength(part) > 255))
    throw wrong(`an entry's path is too deep or too long: ${JSON.stringify(name.slice(0, 200))}`);
  return parts.join('/');
}

/** Counts what is unpacked. */
export class Budget {
  readonly #seen = new Set<string>();
  readonly #packed: number;
  #bytes = 0;

  /** @param packed bytes of the archive */
  constructor(packed: number) {
    this.#packed = packed;
  }

  /** Throws MODEL_ARCHIVE for one file too many, or one that is there already. */
  file(path: string): void {
    if (this.#seen.has(path)) throw wrong(`${path} is there twice`);
    this.#seen.add(path);
    if (this.#seen.size > MAX_FILES) throw wrong(`more than ${MAX_FILES} files`);
  }

  /** Throws MODEL_ARCHIVE when that is too much. */
  bytes(count: number): void {
    this.#bytes += count;
    if (this.#bytes > MAX_BUNDLE_BYTES) throw wrong(`more than ${MAX_BUNDLE_BYTES} bytes unpacked`);
    if (this.#bytes > SMALL && this.#bytes > this.#packed * MAX_RATIO)
      throw wrong(`unpacks to more than ${MAX_RATIO} times its size`);
  }
}
