import { readFileSync, rmSync } from 'node:fs';
import { z } from 'zod';
import { writeFileAtomic } from '../system/files.ts';

const schema = z.strictObject({
  prefix: z.string(),
  /** Platforms by component, by device. */
  devices: z.record(z.string(), z.record(z.string(), z.string())),
});

/** What Home Assistant has been told of, by this and earlier runs. Without it, what is gone could not be taken back. */
export class Announced {
  readonly #file: string;
  prefix: string;
  readonly #devices: Map<string, Readonly<Record<string, string>>>;
  #changed = false;

  /** A file that cannot be read counts as none: then old entities stay until somebody removes them. */
  constructor(file: string, prefix: string) {
    this.#file = file;
    const known = read(file);
    this.prefix = known?.prefix ?? prefix;
    this.#devices = new Map(Object.entries(known?.devices ?? {}));
  }

  /** Components that a device had and has no more, with their platforms. */
  gone(objectId: string, components: Readonly<Record<string, unknown>>): Record<string, string> {
    return Object.fromEntries(
      Object.entries(this.#devices.get(objectId) ?? {}).filter(([id]) => !Object.hasOwn(components, id)),
    );
  }

  note(objectId: string, platforms: Readonly<Record<string, string>>): void {
    if (JSON.stringify(this.#devices.get(objectId)) === JSON.stringify(platforms)) return;
    this.#devices.set(objectId, platforms);
    this.#changed = true;
  }

  forget(objectId: string): void {
    this.#changed = this.#devices.delete(objectId) || this.#changed;
  }

  devices(): readonly string[] {
    return [...this.#devices.keys()];
  }

  save(): void {
    if (!this.#changed) return;
    this.#changed = false;
    if (this.#devices.size === 0) rmSync(this.#file, { force: true });
    else
      writeFileAtomic(
        this.#file,
        `${JSON.stringify({ prefix: this.prefix, devices: Object.fromEntries(this.#devices) })}\n`,
        0o600,
      );
  }
}

function read(file: string): z.output<typeof schema> | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
