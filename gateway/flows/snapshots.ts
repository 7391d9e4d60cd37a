import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { replaceFile } from '../system/files.ts';

export const snapshotSchema = z.object({
  id: z.number().int(),
  at: z.number().describe('When it was deployed'),
  author: z.string(),
  nodes: z.number().int(),
  bytes: z.number().int(),
  sha256: z.string().describe('Of the flows and their encrypted credentials'),
  good: z.number().nullable().describe('Since when it is known to run without a crash'),
  failed: z.string().nullable().describe('Why it was taken out of service by itself'),
});
export type Snapshot = z.output<typeof snapshotSchema>;

const indexSchema = z.object({
  version: z.literal(1),
  current: z.number().nullable(),
  list: z.array(snapshotSchema),
});

const contentSchema = z.object({
  id: z.number().int(),
  at: z.number(),
  author: z.string(),
  flows: z.array(z.unknown()),
  credentials: z.unknown(),
});
export type SnapshotContent = z.output<typeof contentSchema>;

export interface SnapshotLimits {
  readonly max: number;
  readonly maxBytes: number;
}

const LONGEST_AUTHOR = 128;

/** Every deploy of flows: a file each, and an index of what is known about them. The oldest go first. */
export class Snapshots {
  readonly #folder: string;
  readonly #limits: SnapshotLimits;
  readonly #clock: Clock;
  readonly #log: Log;
  #list: Snapshot[] = [];
  #current: number | null = null;

  constructor(parts: { folder: string; limits: SnapshotLimits; clock: Clock; log: Log }) {
    this.#folder = parts.folder;
    this.#limits = parts.limits;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const file = this.#indexFile();
    try {
      if (existsSync(file)) {
        const { list, current } = indexSchema.parse(JSON.parse(await readFile(file, 'utf8')));
        this.#list = list;
        this.#current = current;
        return;
      }
    } catch (error) {
      this.#log.warn(
        { err: error },
        'flows: the list of snapshots is damaged, reading the snapshots themselves',
      );
    }
    await this.#rebuild();
  }

  /** Oldest first. */
  list(): readonly Snapshot[] {
    return this.#list;
  }

  get current(): Snapshot | undefined {
    return this.#list.find(({ id }) => id === this.#current);
  }

  /** The newest that is known to run well, other than one. */
  lastGood(except: number | undefined): Snapshot | undefined {
    return this.#list.findLast(({ id, good, failed }) => id !== except && good !== null && failed === null);
  }

  /** Adds what was deployed, unless it is what runs already. */
  async add(flows: string, credentials: string, author: string): Promise<Snapshot> {
    const parsed: unknown = JSON.parse(flows);
    const locked = parse(credentials);
    const sha256 = shaOf(parsed, locked);
    const same = this.current;
    if (same?.sha256 === sha256) return same;
    const id = (this.#list.at(-1)?.id ?? 0) + 1;
    const at = this.#clock.now();
    const by = author.slice(0, LONGEST_AUTHOR);
    const nodes = Array.isArray(parsed) ? parsed.length : 0;
    const text = JSON.stringify({ id, at, author: by, flows: parsed, credentials: locked });
    await replaceFile(this.#fileOf(id), text);
    const made = {
      id,
      at,
      author: by,
      nodes,
      bytes: Buffer.byteLength(text),
      sha256,
      good: null,
      failed: null,
    };
    this.#list.push(made);
    this.#current = id;
    await this.#trim();
    await this.#save();
    return made;
  }

  /** @throws GatewayError FLOWS_SNAPSHOT */
  async read(id: number): Promise<SnapshotContent> {
    if (!this.#list.some((one) => one.id === id)) throw unknown(id);
    return contentSchema.parse(JSON.parse(await readFile(this.#fileOf(id), 'utf8')));
  }

  /** @throws GatewayError FLOWS_SNAPSHOT */
  async makeCurrent(id: number): Promise<Snapshot> {
    const found = this.#list.find((one) => one.id === id);
    if (!found) throw unknown(id);
    this.#current = id;
    await this.#save();
    return found;
  }

  /** What has been learnt of a snapshot; one that is gone meanwhile is left alone. */
  async judge(id: number, verdict: Partial<Pick<Snapshot, 'good' | 'failed'>>): Promise<void> {
    this.#list = this.#list.map((one) => (one.id === id ? { ...one, ...verdict } : one));
    await this.#save();
  }

  async #trim(): Promise<void> {
    const kept = new Set([this.#current, this.lastGood(undefined)?.id]);
    let bytes = this.#list.reduce((sum, one) => sum + one.bytes, 0);
    let count = this.#list.length;
    const gone = new Set<number>();
    for (const one of this.#list) {
      if (count <= this.#limits.max && bytes <= this.#limits.maxBytes) break;
      if (kept.has(one.id)) continue;
      gone.add(one.id);
      bytes -= one.bytes;
      count--;
    }
    this.#list = this.#list.filter(({ id }) => !gone.has(id));
    for (const id of gone) await rm(this.#fileOf(id), { force: true });
  }

  async #rebuild(): Promise<void> {
    this.#list = [];
    const files = (await readdir(this.#folder)).filter((name) => /^\d+\.json$/.test(name));
    for (const name of files.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))) {
      const text = await readFile(join(this.#folder, name), 'utf8');
      const read = contentSchema.safeParse(parse(text));
      if (!read.success) continue;
      const { id, at, author, flows, credentials } = read.data;
      const sha256 = shaOf(flows, credentials);
      const bytes = Buffer.byteLength(text);
      this.#list.push({ id, at, author, nodes: flows.length, bytes, sha256, good: null, failed: null });
    }
    this.#current = this.#list.at(-1)?.id ?? null;
  }

  async #save(): Promise<void> {
    const text = JSON.stringify({ version: 1, current: this.#current, list: this.#list }, null, 1);
    await replaceFile(this.#indexFile(), text);
  }

  #indexFile(): string {
    return join(this.#folder, 'index.json');
  }

  #fileOf(id: number): string {
    return join(this.#folder, `${id}.json`);
  }
}

const shaOf = (flows: unknown, credentials: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify([flows, credentials]))
    .digest('hex');

function parse(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return undefined;
  }
}

const unknown = (id: number): GatewayError =>
  new GatewayError('FLOWS_SNAPSHOT', `there is no snapshot ${id}`, { received: id });
