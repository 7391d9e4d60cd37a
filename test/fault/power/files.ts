import type { Random } from '../../../models/training/random.ts';

/** What a disk writes in one piece. */
const SECTOR = 512;

type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'size'; readonly size: number };

/** Bytes that grow and shrink as those of a file. */
class Content {
  #bytes = Buffer.alloc(0);
  size = 0;

  apply(change: Change): void {
    if (change.kind === 'size') {
      this.#bytes.fill(0, Math.min(change.size, this.size), this.size);
      this.#reserve(change.size);
      this.size = change.size;
      return;
    }
    const end = change.offset + change.bytes.length;
    this.#reserve(end);
    change.bytes.copy(this.#bytes, change.offset);
    this.size = Math.max(this.size, end);
  }

  read(offset: number, length: number): Buffer {
    return this.#bytes.subarray(Math.min(offset, this.size), Math.min(offset + length, this.size));
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const grown = Buffer.alloc(Math.max(size, this.#bytes.length * 2, 64 * 1024));
    this.#bytes.copy(grown, 0, 0, this.size);
    this.#bytes = grown;
  }
}

export interface Folder {
  readonly kind: 'folder';
  readonly id: number;
  mode: number;
  /** As programs see it, and as it is on the disk. */
  readonly names: Map<string, Entry>;
  readonly durable: Map<string, Entry>;
}

export interface File {
  readonly kind: 'file';
  readonly id: number;
  mode: number;
  readonly content: Content;
  readonly durable: Content;
  /** Changes since the last sync, in order. */
  pending: Change[];
}

export type Entry = Folder | File;

/** What a cut found not yet synced. */
export interface CutReport {
  readonly writes: number;
  readonly bytes: number;
  readonly names: number;
}

/**
 * Files in memory with the promises of a disk behind a volatile cache, and no more: what was written is seen at once, and
 * survives {@link cut} for certain only when it was synced. Names behave as with a journaling file system: a sync of any
 * file settles all changes of names before it; without one, a cut keeps some first part of them.
 */
export class PowerFiles {
  readonly root: Folder;
  readonly #entries = new Map<number, Entry>();
  #ids = 0;
  #names: (() => void)[] = [];

  constructor() {
    this.root = this.#folder(0o755);
  }

  entry(id: number): Entry | undefined {
    return this.#entries.get(id);
  }

  create(parent: Folder, name: string, kind: Entry['kind'], mode: number): Entry {
    const entry = kind === 'folder' ? this.#folder(mode) : this.#file(mode);
    this.link(parent, name, entry);
    return entry;
  }

  link(parent: Folder, name: string, entry: Entry): void {
    parent.names.set(name, entry);
    this.#names.push(() => parent.durable.set(name, entry));
  }

  unlink(parent: Folder, name: string): void {
    parent.names.delete(name);
    this.#names.push(() => parent.durable.delete(name));
  }

  rename(from: Folder, oldName: string, to: Folder, newName: string): void {
    const entry = from.names.get(oldName)!;
    from.names.delete(oldName);
    to.names.set(newName, entry);
    this.#names.push(() => {
      from.durable.delete(oldName);
      to.durable.set(newName, entry);
    });
  }

  change(file: File, change: Change): void {
    file.content.apply(change);
    file.pending.push(change);
  }

  /** fsync and fdatasync of a file, fsync of a folder. */
  sync(entry: Entry): void {
    for (const settle of this.#names.splice(0)) settle();
    if (entry.kind === 'folder') return;
    for (const change of entry.pending.splice(0)) entry.durable.apply(change);
  }

  /**
   * What a machine finds that lost its power now. Of what was not synced it keeps nothing, all, or any part in any order,
   * down to single sectors, as `random` has it.
   */
  cut(random: Random): { readonly files: PowerFiles; readonly report: CutReport } {
    const report = { writes: 0, bytes: 0, names: this.#names.length };
    const kept = random.integer(0, this.#names.length);
    for (const settle of this.#names.splice(0, kept)) settle();
    const share = random.pick([0, 0.1, 0.5, 0.9, 1]);
    const files = new PowerFiles();
    const copies = new Map<Entry, Entry>([[this.root, files.root]]);
    const copy = (from: Folder, to: Folder): void => {
      for (const [name, entry] of from.durable) {
        const known = copies.get(entry);
        const made = known ?? files.create(to, name, entry.kind, entry.mode);
        if (known) files.link(to, name, known);
        copies.set(entry, made);
        if (entry.kind === 'folder') copy(entry, made as Folder);
        else if (!known) restore(entry, made as File);
      }
    };
    const restore = (from: File, to: File): void => {
      const whole = from.durable.read(0, from.durable.size);
      files.change(to, { kind: 'write', offset: 0, bytes: Buffer.from(whole) });
      for (const change of from.pending) {
        report.writes++;
        if (change.kind === 'size') {
          if (random.chance(share)) files.change(to, change);
          continue;
        }
        report.bytes += change.bytes.length;
        if (!random.chance(share)) continue;
        const torn = share < 1 && random.chance(0.2);
        for (const piece of torn ? sectors(change) : [change])
          if (!torn || random.chance(0.5)) files.change(to, piece);
      }
      files.sync(to);
    };
    copy(this.root, files.root);
    files.sync(files.root);
    return { files, report };
  }

  #folder(mode: number): Folder {
    const folder: Folder = { kind: 'folder', id: ++this.#ids, mode, names: new Map(), durable: new Map() };
    this.#entries.set(folder.id, folder);
    return folder;
  }

  #file(mode: number): File {
    const file: File = {
      kind: 'file',
      id: ++this.#ids,
      mode,
      content: new Content(),
      durable: new Content(),
      pending: [],
    };
    this.#entries.set(file.id, file);
    return file;
  }
}

function* sectors({ offset, bytes }: { readonly offset: number; readonly bytes: Buffer }): Generator<Change> {
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(SECTOR - ((offset + at) % SECTOR), bytes.length - at);
    yield { kind: 'write', offset: offset + at, bytes: bytes.subarray(at, at + length) };
    at += length;
  }
}
