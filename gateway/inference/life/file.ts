import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { asGatewayError, GatewayError } from '../../errors.ts';
import { writeFileAtomic } from '../../system/files.ts';
import { type Family, lifeSchema } from './record.ts';

/** Name of the file in the folder of installed models. */
export const LIFE_FILE = 'life.json';

/** States of all models as they lie on disk. Every change is synced before it counts. */
export class LifeFile {
  readonly #dir: string | undefined;

  /** @param dir folder of installed models; undefined keeps the states in memory only */
  constructor(dir: string | undefined) {
    this.#dir = dir;
  }

  /**
   * The states as they were written last; empty when there is no file. A file that cannot be read is put aside under
   * another name and told: its models begin anew, the highest version of each as the live one.
   */
  read(): { models: Readonly<Record<string, Family>>; damage?: GatewayError } {
    if (this.#dir === undefined) return { models: {} };
    const file = join(this.#dir, LIFE_FILE);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { models: {} };
      throw new GatewayError('MODEL_LIFE', `${file}: ${asGatewayError(error).message}`, { cause: error });
    }
    try {
      return { models: lifeSchema.parse(JSON.parse(text)).models };
    } catch (error) {
      const aside = `${file}.damaged-${Date.now()}`;
      renameSync(file, aside);
      const damage = new GatewayError('MODEL_LIFE', `${file} is damaged and was put aside as ${aside}`, {
        cause: error,
      });
      return { models: {}, damage };
    }
  }

  write(models: Readonly<Record<string, Family>>): void {
    if (this.#dir === undefined) return;
    const file = join(this.#dir, LIFE_FILE);
    try {
      mkdirSync(this.#dir, { recursive: true });
      writeFileAtomic(file, `${JSON.stringify({ format: 1, models }, null, 2)}\n`);
    } catch (error) {
      throw new GatewayError('MODEL_LIFE', `${file}: ${asGatewayError(error).message}`, { cause: error });
    }
  }
}
