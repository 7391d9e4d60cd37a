import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../ports/clock.ts';
import type { TensorRequest } from '../../ports/inference.ts';
import type { Log } from '../../ports/log.ts';
import { writeFileAtomic } from '../../system/files.ts';
import { isBytes } from '../tensor-data.ts';

/** Folder in that of installed models. */
const FOLDER = 'quarantine';
const MAX_KEPT = 64;
const MAX_BYTES = 4 * 1024 * 1024;

/** Keeps calls that ended the model host, for the maker of the model: the newest ones, each in a JSON file. */
export class Quarantine {
  readonly #dir: string | undefined;
  readonly #clock: Clock;
  readonly #log: Log;
  #count = 0;

  /** @param dir folder of installed models; undefined: nothing is kept */
  constructor(dir: string | undefined, clock: Clock, log: Log) {
    this.#dir = dir === undefined ? undefined : join(dir, FOLDER);
    this.#clock = clock;
    this.#log = log;
  }

  /** Never throws: that a poison input could not be kept is told in the log. */
  keep(model: string, request: TensorRequest, reason: string): void {
    if (this.#dir === undefined) return;
    const file = join(this.#dir, `${this.#clock.now()}-${this.#count++}-${model.replace('@', '-')}.json`);
    try {
      mkdirSync(this.#dir, { recursive: true });
      for (const name of readdirSync(this.#dir)
        .sort(byAge)
        .slice(0, -(MAX_KEPT - 1)))
        rmSync(join(this.#dir, name), { force: true });
      writeFileAtomic(file, this.#text(model, request, reason), 0o600);
      this.#log.error({ model, file }, `inference: ${model} must not get this input again, kept in ${file}`);
    } catch (error) {
      this.#log.error({ model, error: String(error) }, 'inference: cannot keep a poison input');
    }
  }

  #text(model: string, { inputs, account }: TensorRequest, reason: string): string {
    const head = { model, time: this.#clock.now(), account, reason };
    const tensors = Object.entries(inputs).map(([name, { datatype, shape, data }]) => ({
      name,
      datatype,
      shape,
      base64: (isBytes(data)
        ? data.map((bytes) => Buffer.from(bytes).toString('base64'))
        : Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')) as unknown,
    }));
    const text = JSON.stringify({ ...head, inputs: tensors });
    if (text.length <= MAX_BYTES) return text;
    return JSON.stringify({
      ...head,
      inputs: tensors.map(({ base64: _, ...rest }) => rest),
      shortened: true,
    });
  }
}

/** File names begin with milliseconds of the same number of digits. */
const byAge = (a: string, b: string): number => (a < b ? -1 : 1);
