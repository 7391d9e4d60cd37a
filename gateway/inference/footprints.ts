import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { asGatewayError } from '../errors.ts';
import type { Log } from '../ports/log.ts';
import { writeFileAtomic } from '../system/files.ts';
import type { Bundle } from './bundle.ts';
import { filesOf } from './manifest-files.ts';

/** What a model makes its host grow by, bytes. */
export interface Footprint {
  /** Once it is loaded and its golden samples have run. */
  readonly bytes: number;
  /** At most, while it is loaded. */
  readonly peak: number;
}

/** Name of the file in the folder of installed models. */
const FILE = 'footprints.json';
/** The oldest are forgotten. */
const MOST = 1000;
/** A measurement that grew by less is not written again. */
const SAME = 1.05;

const schema = z.object({
  format: z.literal(1),
  models: z.record(z.string(), z.object({ bytes: z.number().min(0), peak: z.number().min(0) })),
});

/**
 * What models were seen to take, by the SHA-256 of their file, so that there is room before one is loaded. A file tells
 * little: weights may be made when it is loaded. Kept in the folder of installed models; nothing is lost with the file
 * but that models are measured again.
 */
export class Footprints {
  readonly #dir: string | undefined;
  readonly #log: Log;
  #seen = new Map<string, Footprint>();
  /** When the file that was read last was written. */
  #read = 0;

  /** @param dir undefined keeps them in memory only */
  constructor(dir: string | undefined, log: Log) {
    this.#dir = dir;
    this.#log = log;
  }

  /** What a model takes; undefined when none has been measured. */
  of({ manifest }: Bundle): Footprint | undefined {
    const { sha256 } = manifest;
    if (!this.#seen.has(sha256)) this.#load();
    return this.#seen.get(sha256);
  }

  /** A host grew by so much. Memory that was free before hides growth, so the largest counts. */
  note({ manifest }: Bundle, { bytes, peak }: Footprint): void {
    const { sha256 } = manifest;
    const before = this.#seen.get(sha256) ?? { bytes: 0, peak: 0 };
    const now = { bytes: Math.max(bytes, before.bytes), peak: Math.max(bytes, peak, before.peak) };
    this.#seen.delete(sha256);
    this.#seen.set(sha256, now);
    if (now.bytes > before.bytes * SAME || now.peak > before.peak * SAME) this.#save();
  }

  /** What another process has measured, such as `models add`, counts too. */
  #load(): void {
    if (this.#dir === undefined) return;
    const file = join(this.#dir, FILE);
    const written = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (written === this.#read) return;
    this.#read = written;
    try {
      const { models } = schema.parse(JSON.parse(readFileSync(file, 'utf8')));
      this.#seen = new Map([...Object.entries(models), ...this.#seen]);
    } catch (error) {
      this.#log.warn({ file, error: asGatewayError(error) }, 'inference: measuring models anew');
    }
  }

  #save(): void {
    if (this.#dir === undefined) return;
    this.#load();
    for (const key of this.#seen.keys()) {
      if (this.#seen.size <= MOST) break;
      this.#seen.delete(key);
    }
    const file = join(this.#dir, FILE);
    try {
      mkdirSync(this.#dir, { recursive: true });
      writeFileAtomic(file, `${JSON.stringify({ format: 1, models: Object.fromEntries(this.#seen) })}\n`);
    } catch (error) {
      this.#log.warn({ file, error: asGatewayError(error) }, 'inference: what models take is not kept');
    }
  }
}

/** Bytes of all files of a bundle. */
export function fileBytes({ folder, manifest }: Bundle): number {
  let bytes = 0;
  for (const { file } of filesOf(manifest))
    bytes += statSync(join(folder, file), { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}
