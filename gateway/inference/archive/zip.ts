import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import { type ArchiveFile, MAX_FILES, wrong } from './limits.ts';

/** The end record and the longest comment behind it (PKWARE APPNOTE 4.3.16). */
const END_BYTES = 22;
const MAX_COMMENT = 65_535;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
/** Names and extra fields of the files that are allowed. */
const MAX_DIRECTORY_BYTES = 8 * 1024 * 1024;

const STORED = 0;
const DEFLATED = 8;

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

/**
 * The files of a zip archive, as its central directory lists them. Throws MODEL_ARCHIVE for links, encrypted files,
 * methods other than stored and deflated, ZIP64, files that overlap, and contents that are not what is announced.
 */
export async function* zipFiles(file: string): AsyncGenerator<ArchiveFile> {
  const handle = await open(file, 'r');
  try {
    const entries = await directory(handle);
    let end = 0;
    // In the order of their places: what overlaps is a bomb or a trick.
    for (const entry of entries.toSorted((a, b) => a.offset - b.offset)) {
      const local = await read(handle, entry.offset, LOCAL_BYTES);
      if (local.readUInt32LE(0) !== 0x04034b50 || entry.offset < end)
        throw wrong(`${entry.name}: its place in the zip archive is not right`);
      const start = entry.offset + LOCAL_BYTES + local.readUInt16LE(26) + local.readUInt16LE(28);
      end = start + entry.packed;
      if (entry.name.endsWith('/')) continue;
      yield { name: entry.name, content: content(file, entry, start) };
    }
  } finally {
    await handle.close();
  }
}

async function* content(file: string, entry: Entry, start: number): AsyncGenerator<Uint8Array> {
  const raw: AsyncIterable<Uint8Array> =
    entry.packed === 0 ? empty() : createReadStream(file, { start, end: start + entry.packed - 1 });
  let size = 0;
  let crc = 0;
  try {
    for await (const chunk of entry.method === STORED ? raw : inflated(raw)) {
      size += chunk.length;
      if (size > entry.size) break;
      crc = crc32(chunk, crc);
      yield chunk;
    }
  } catch (error) {
    throw wrong(`${entry.name} cannot be unpacked: ${(error as Error).message}`);
  }
  if (size !== entry.size || crc !== entry.crc)
    throw wrong(`${entry.name} is not what the zip archive announces`);
}

async function* empty(): AsyncGenerator<Uint8Array> {}

async function* inflated(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { Readable } = await import('node:stream');
  const from = Readable.from(source);
  const inflate = createInflateRaw();
  from.once('error', (error) => inflate.destroy(error));
  yield* from.pipe(inflate) as AsyncIterable<Uint8Array>;
}

async function directory(handle: FileHandle): Promise<Entry[]> {
  const { size } = await handle.stat();
  const tailBytes = Math.min(size, END_BYTES + MAX_COMMENT);
  const tail = await read(handle, size - tailBytes, tailBytes);
  const at = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (at < 0 || at + END_BYTES > tail.length) throw wrong('this is no zip archive, or it is damaged');
  const count = tail.readUInt16LE(at + 10);
  const bytes = tail.readUInt32LE(at + 12);
  const offset = tail.readUInt32LE(at + 16);
  if (count === 0xffff || bytes === 0xffff_ffff || offset === 0xffff_ffff)
    throw wrong('this zip archive is in the ZIP64 format; use a tar archive for large models');
  // Folders count too, so a little more than files.
  if (count > 2 * MAX_FILES || bytes > MAX_DIRECTORY_BYTES) throw wrong(`${count} entries`);
  const listing = await read(handle, offset, bytes);
  const entries: Entry[] = [];
  for (let i = 0, from = 0; i < count; i++) {
    if (from + CENTRAL_BYTES > listing.length || listing.readUInt32LE(from) !== 0x02014b50)
      throw wrong('the directory of the zip archive is damaged');
    const name = listing.toString(
      'utf8',
      from + CENTRAL_BYTES,
      from + CENTRAL_BYTES + listing.readUInt16LE(from + 28),
    );
    entries.push(entryOf(listing.subarray(from), name));
    from +=
      CENTRAL_BYTES +
      listing.readUInt16LE(from + 28) +
      listing.readUInt16LE(from + 30) +
      listing.readUInt16LE(from + 32);
  }
  return entries;
}

function entryOf(record: Buffer, name: string): Entry {
  const flags = record.readUInt16LE(8);
  const method = record.readUInt16LE(10);
  // Made on Unix: the upper half of the external attributes is the mode; 0 where the maker gave none.
  const type = record[5] === 3 ? (record.readUInt32LE(38) >>> 28) & 0xf : 0;
  if ((flags & 1) !== 0) throw wrong(`${name} is encrypted`);
  if (type !== 0 && type !== 8 && type !== 4)
    throw wrong(`${name} is a link or a device; only plain files are taken`);
  if (method !== STORED && method !== DEFLATED)
    throw wrong(`${name} is packed by method ${method}; only deflate is taken`);
  return {
    name,
    method,
    crc: record.readUInt32LE(16),
    packed: record.readUInt32LE(20),
    size: record.readUInt32LE(24),
    offset: record.readUInt32LE(42),
  };
}

async function read(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position);
  if (bytesRead < length) throw wrong('the zip archive ends in the middle');
  return buffer;
}
