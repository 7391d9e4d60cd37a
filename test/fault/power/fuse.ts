import { constants } from 'node:os';
import type { Entry, File, Folder, PowerFiles } from './files.ts';

/** Requests of the FUSE protocol 7.31 (linux/fuse.h) answered from {@link PowerFiles}; the first entry is the root. */

const { ENOENT, ENOTDIR, EISDIR, EEXIST, ENOTEMPTY, ENOSYS, EINVAL } = constants.errno;
const IN_HEADER = 40;
const OUT_HEADER = 16;
const MAJOR = 7;
const MINOR = 31;
export const MAX_WRITE = 128 * 1024;
/** Larger than any request. */
export const REQUEST_BYTES = MAX_WRITE + 8192;
const BIG_WRITES = 1 << 5;
const BLOCK = 4096;
const BLOCKS = 1 << 22;
const [SET_MODE, SET_SIZE] = [1, 8];

class Failure extends Error {
  readonly errno: number;
  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

interface Request {
  readonly files: PowerFiles;
  readonly entry: Entry;
  /** What follows the header. */
  readonly body: Buffer;
}

const EMPTY = Buffer.alloc(0);

const HANDLERS: Readonly<Record<number, (request: Request) => Buffer>> = {
  // LOOKUP
  1: ({ entry, body }) => entryOut(child(entry, nameAt(body, 0))),
  // GETATTR
  3: ({ entry }) => attrOut(entry),
  // SETATTR
  4: ({ files, entry, body }) => {
    const valid = body.readUInt32LE(0);
    if (valid & SET_MODE) entry.mode = body.readUInt32LE(68) & 0o7777;
    if (valid & SET_SIZE) files.change(fileOf(entry), { kind: 'size', size: u64(body, 16) });
    return attrOut(entry);
  },
  // MKNOD
  8: ({ files, entry, body }) =>
    entryOut(fresh(files, entry, nameAt(body, 16), 'file', body.readUInt32LE(0))),
  // MKDIR
  9: ({ files, entry, body }) =>
    entryOut(fresh(files, entry, nameAt(body, 8), 'folder', body.readUInt32LE(0))),
  // UNLINK
  10: ({ files, entry, body }) => {
    const name = nameAt(body, 0);
    fileOf(child(entry, name));
    files.unlink(folderOf(entry), name);
    return EMPTY;
  },
  // RMDIR
  11: ({ files, entry, body }) => {
    const name = nameAt(body, 0);
    if (folderOf(child(entry, name)).names.size > 0) throw new Failure(ENOTEMPTY);
    files.unlink(folderOf(entry), name);
    return EMPTY;
  },
  // RENAME, RENAME2
  12: (request) => rename(request, 8),
  45: (request) => {
    // RENAME_NOREPLACE and RENAME_EXCHANGE are not used here.
    if (request.body.readUInt32LE(8) !== 0) throw new Failure(EINVAL);
    return rename(request, 16);
  },
  // LINK
  13: ({ files, entry, body }) => {
    const target = fileOf(known(files, u64(body, 0)));
    files.link(folderOf(entry), nameAt(body, 8), target);
    return entryOut(target);
  },
  // OPEN, OPENDIR: without FOPEN_KEEP_CACHE, so that the kernel asks again after a cut
  14: () => Buffer.alloc(16),
  27: () => Buffer.alloc(16),
  // READ
  15: ({ entry, body }) => fileOf(entry).content.read(u64(body, 8), body.readUInt32LE(16)),
  // WRITE
  16: ({ files, entry, body }) => {
    const size = body.readUInt32LE(16);
    const bytes = Buffer.from(body.subarray(40, 40 + size));
    files.change(fileOf(entry), { kind: 'write', offset: u64(body, 8), bytes });
    return uint32s(size, 0);
  },
  // STATFS
  17: () => {
    const out = Buffer.alloc(80);
    for (const [index, value] of [BLOCKS, BLOCKS, BLOCKS, 1 << 20, 1 << 20].entries())
      out.writeBigUInt64LE(BigInt(value), index * 8);
    for (const [index, value] of [BLOCK, 255, BLOCK].entries()) out.writeUInt32LE(value, 40 + index * 4);
    return out;
  },
  // RELEASE, FLUSH, RELEASEDIR, ACCESS, DESTROY
  18: () => EMPTY,
  25: () => EMPTY,
  29: () => EMPTY,
  34: () => EMPTY,
  38: () => EMPTY,
  // FSYNC, FSYNCDIR
  20: sync,
  30: sync,
  // INIT
  26: ({ body }) => {
    const out = Buffer.alloc(64);
    uint32s(MAJOR, MINOR, body.readUInt32LE(8), BIG_WRITES).copy(out);
    out.writeUInt16LE(16, 16);
    out.writeUInt16LE(12, 18);
    out.writeUInt32LE(MAX_WRITE, 20);
    out.writeUInt32LE(1, 24);
    return out;
  },
  // READDIR
  28: ({ entry, body }) => listing(folderOf(entry), u64(body, 8), body.readUInt32LE(16)),
  // CREATE
  35: ({ files, entry, body }) =>
    Buffer.concat([
      entryOut(fresh(files, entry, nameAt(body, 16), 'file', body.readUInt32LE(4))),
      Buffer.alloc(16),
    ]),
};

/** FORGET, INTERRUPT, BATCH_FORGET get no answer. */
const SILENT: ReadonlySet<number> = new Set([2, 36, 42]);

/** The answer to one request; undefined where there is none. */
export function answer(files: PowerFiles, request: Buffer): Buffer | undefined {
  const opcode = request.readUInt32LE(4);
  if (SILENT.has(opcode)) return undefined;
  try {
    const handler = HANDLERS[opcode];
    if (handler === undefined) throw new Failure(ENOSYS);
    const node = u64(request, 16);
    const entry = node === 0 ? files.root : known(files, node);
    return reply(request, 0, handler({ files, entry, body: request.subarray(IN_HEADER) }));
  } catch (error) {
    if (error instanceof Failure) return reply(request, error.errno, EMPTY);
    throw error;
  }
}

/** Refuses a request with EIO; undefined where no answer is due. */
export const refusal = (request: Buffer): Buffer | undefined =>
  SILENT.has(request.readUInt32LE(4)) ? undefined : reply(request, constants.errno.EIO, EMPTY);

function reply(request: Buffer, errno: number, body: Buffer): Buffer {
  const out = Buffer.alloc(OUT_HEADER + body.length);
  out.writeUInt32LE(out.length, 0);
  out.writeInt32LE(-errno, 4);
  request.copy(out, 8, 8, 16);
  body.copy(out, OUT_HEADER);
  return out;
}

function sync({ files, entry }: Request): Buffer {
  files.sync(entry);
  return EMPTY;
}

function rename({ files, entry, body }: Request, at: number): Buffer {
  const oldName = nameAt(body, at);
  const newName = nameAt(body, at + Buffer.byteLength(oldName) + 1);
  child(entry, oldName);
  files.rename(folderOf(entry), oldName, folderOf(known(files, u64(body, 0))), newName);
  return EMPTY;
}

function listing(folder: Folder, offset: number, size: number): Buffer {
  const out: Buffer[] = [];
  let bytes = 0;
  for (const [index, [name, entry]] of [...folder.names].entries()) {
    if (index < offset) continue;
    const text = Buffer.from(name);
    const record = Buffer.alloc((24 + text.length + 7) & ~7);
    if (bytes + record.length > size) break;
    record.writeBigUInt64LE(BigInt(entry.id), 0);
    record.writeBigUInt64LE(BigInt(index + 1), 8);
    record.writeUInt32LE(text.length, 16);
    record.writeUInt32LE(entry.kind === 'folder' ? 4 : 8, 20);
    text.copy(record, 24);
    out.push(record);
    bytes += record.length;
  }
  return Buffer.concat(out);
}

function known(files: PowerFiles, id: number): Entry {
  const entry = files.entry(id);
  if (entry === undefined) throw new Failure(ENOENT);
  return entry;
}

function child(parent: Entry, name: string): Entry {
  const entry = folderOf(parent).names.get(name);
  if (entry === undefined) throw new Failure(ENOENT);
  return entry;
}

function fresh(files: PowerFiles, parent: Entry, name: string, kind: Entry['kind'], mode: number): Entry {
  const folder = folderOf(parent);
  if (folder.names.has(name)) throw new Failure(EEXIST);
  return files.create(folder, name, kind, mode & 0o7777);
}

function folderOf(entry: Entry): Folder {
  if (entry.kind !== 'folder') throw new Failure(ENOTDIR);
  return entry;
}

function fileOf(entry: Entry): File {
  if (entry.kind !== 'file') throw new Failure(EISDIR);
  return entry;
}

/** Valid for no time at all: the kernel asks again. */
const entryOut = (entry: Entry): Buffer => {
  const out = Buffer.alloc(128);
  out.writeBigUInt64LE(BigInt(entry.id), 0);
  attributes(entry).copy(out, 40);
  return out;
};

const attrOut = (entry: Entry): Buffer => Buffer.concat([Buffer.alloc(16), attributes(entry)]);

function attributes(entry: Entry): Buffer {
  const out = Buffer.alloc(88);
  const size = entry.kind === 'file' ? entry.content.size : BLOCK;
  out.writeBigUInt64LE(BigInt(entry.id), 0);
  out.writeBigUInt64LE(BigInt(size), 8);
  out.writeBigUInt64LE(BigInt(Math.ceil(size / 512)), 16);
  out.writeUInt32LE((entry.kind === 'folder' ? 0o040000 : 0o100000) | entry.mode, 60);
  out.writeUInt32LE(1, 64);
  out.writeUInt32LE(BLOCK, 80);
  return out;
}

const u64 = (buffer: Buffer, at: number): number => Number(buffer.readBigUInt64LE(at));

function nameAt(body: Buffer, at: number): string {
  return body.toString('utf8', at, body.indexOf(0, at));
}

function uint32s(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) out.writeUInt32LE(value, index * 4);
  return out;
}
