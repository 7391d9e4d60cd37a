import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { type ArchiveFile, wrong } from './limits.ts';

const BLOCK = 512;
/** Long names and extended headers are a few hundred bytes. */
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * The files of a tar archive (POSIX ustar with pax headers, and GNU long names), gzipped or not, one after another:
 * each must be read before the next. Throws MODEL_ARCHIVE for links, devices and sparse files, and for what is no tar.
 */
export async function* tarFiles(file: string): AsyncGenerator<ArchiveFile> {
  const source = new Blocks(await opened(file));
  try {
    yield* filesIn(source);
  } finally {
    await source.close();
  }
}

async function* filesIn(source: Blocks): AsyncGenerator<ArchiveFile> {
  let longName: string | undefined;
  let pax: Readonly<Record<string, string>> = {};
  for (let empty = 0; empty < 2; ) {
    const block = await source.read(BLOCK);
    if (block.length === 0 && empty > 0) break;
    if (block.length < BLOCK) throw wrong('the tar archive ends in the middle');
    if (block.every((byte) => byte === 0)) {
      empty++;
      continue;
    }
    const header = headerOf(block);
    const size = pax.size === undefined ? header.size : Number(pax.size);
    if (!Number.isSafeInteger(size) || size < 0) throw wrong(`${header.name}: a size of ${pax.size}`);
    const name = pax.path ?? longName ?? header.name;
    switch (header.type) {
      case 'x':
        pax = paxOf(await source.body(size));
        continue;
      case 'g':
        await source.body(size);
        continue;
      case 'L':
        longName = text(await source.body(size));
        continue;
      case '0':
      case '\0':
      case '7': {
        if (Object.keys(pax).some((key) => key.startsWith('GNU.sparse')))
          throw wrong(`${name} is a sparse file`);
        const content = source.content(size);
        yield { name, content };
        for await (const _ of content) throw wrong(`${name} was not read to its end`);
        break;
      }
      case '5':
        break;
      default:
        throw wrong(`${name} is a link or a device (type ${header.type}); only plain files are taken`);
    }
    longName = undefined;
    pax = {};
  }
}

async function opened(file: string): Promise<AsyncIterable<Uint8Array>> {
  const first = await head(file, 2);
  const stream = createReadStream(file);
  if (first[0] !== 0x1f || first[1] !== 0x8b) return stream;
  const unzip = createGunzip();
  // An error of the file reaches whoever reads from the other end.
  stream.once('error', (error) => unzip.destroy(error));
  return stream.pipe(unzip);
}

async function head(file: string, bytes: number): Promise<Uint8Array> {
  for await (const chunk of createReadStream(file, { end: bytes - 1 })) return chunk as Uint8Array;
  return new Uint8Array();
}

interface Header {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

function headerOf(block: Uint8Array): Header {
  const stored = octal(block.subarray(148, 156));
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : block[i]!;
  if (stored !== sum) throw wrong('this is no tar archive, or it is damaged');
  const name = text(block.subarray(0, 100));
  const prefix = text(block.subarray(257, 262)) === 'ustar' ? text(block.subarray(345, 500)) : '';
  const gnu = text(block.subarray(257, 265)) === 'ustar  ';
  return {
    name: prefix && !gnu ? `${prefix}/${name}` : name,
    size: sizeOf(block.subarray(124, 136)),
    type: String.fromCharCode(block[156]!),
  };
}

/** Octal digits, or GNU's base 256 for large files. */
function sizeOf(field: Uint8Array): number {
  if ((field[0]! & 0x80) === 0) return octal(field);
  let value = field[0]! & 0x7f;
  for (const byte of field.subarray(1)) value = value * 256 + byte;
  return value;
}

function octal(field: Uint8Array): number {
  const digits = text(field).trim();
  if (!/^[0-7]*$/.test(digits)) throw wrong('this is no tar archive, or it is damaged');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

const text = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
};

/** Records `<length> <key>=<value>\n`. */
function paxOf(bytes: Uint8Array): Record<string, string> {
  const found: Record<string, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(text(bytes.subarray(at, space)));
    const end = at + length;
    if (space < 0 || !Number.isInteger(length) || length < 5 || end > bytes.length)
      throw wrong('an extended header of the tar archive is damaged');
    const record = new TextDecoder().decode(bytes.subarray(space + 1, end - 1));
    const equals = record.indexOf('=');
    if (equals > 0) found[record.slice(0, equals)] = record.slice(equals + 1);
    at = end;
  }
  return found;
}

/** Reads a stream in pieces of the size that is wanted. */
class Blocks {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** Lets go of the file, also when it has not been read to its end. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  /** At most so many bytes, at least one while there are any. */
  async #some(most: number): Promise<Uint8Array> {
    if (this.#rest.length === 0) this.#rest = (await this.#next()) ?? this.#rest;
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      for (;;) {
        const { done, value } = await this.#chunks.next();
        if (done) return undefined;
        if (value.length > 0) return value;
      }
    } catch (error) {
      throw wrong(`the archive cannot be unpacked: ${(error as Error).message}`);
    }
  }

  /** Exactly so many bytes, fewer only at the end. */
  async read(bytes: number): Promise<Uint8Array> {
    const out = new Uint8Array(bytes);
    let filled = 0;
    while (filled < bytes) {
      const piece = await this.#some(bytes - filled);
      if (piece.length === 0) break;
      out.set(piece, filled);
      filled += piece.length;
    }
    return out.subarray(0, filled);
  }

  /** The small body of a header entry. */
  async body(size: number): Promise<Uint8Array> {
    if (size > MAX_HEADER_BYTES) throw wrong('an extended header of the tar archive is too large');
    const body = await this.read(size);
    if (body.length < size) throw wrong('the tar archive ends in the middle');
    await this.#pad(size);
    return body;
  }

  /** The content of a file; the padding behind it is passed when it has been read. */
  async *content(size: number): AsyncGenerator<Uint8Array> {
    for (let left = size; left > 0; ) {
      const piece = await this.#some(left);
      if (piece.length === 0) throw wrong('the tar archive ends in the middle');
      left -= piece.length;
      yield piece;
    }
    await this.#pad(size);
  }

  async #pad(size: number): Promise<void> {
    await this.read((BLOCK - (size % BLOCK)) % BLOCK);
  }
}
