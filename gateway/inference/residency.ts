import { statSync } from 'node:fs';
import { join } from 'node:path';
import { filesOf } from './manifest-files.ts';
import type { Model } from './model.ts';

/** What an empty host takes, with the runtime. */
const HOST_BYTES = 80 * 1024 * 1024;

/**
 * Which models should be in memory: those that are asked for, those that pipelines need, and of the others the ones
 * that were used last, as far as they fit.
 */
export class Residency {
  readonly #maxBytes: number;
  /** Asked for and not there yet, in the order they were asked for. */
  readonly #demanded = new Set<Model>();
  readonly #pinned = new Set<Model>();
  /** Models that were used, the one that was used longest ago first. */
  readonly #used = new Set<Model>();
  readonly #sizes = new WeakMap<Model, number>();

  /** @param maxBytes resident bytes that a host may have */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  demand(model: Model): void {
    this.#demanded.add(model);
    this.touch(model);
  }

  /** Needed by a pipeline: gives way only when nothing else helps. */
  pin(model: Model): void {
    this.#pinned.add(model);
  }

  touch(model: Model): void {
    this.#used.delete(model);
    this.#used.add(model);
  }

  /** Loaded, or refused: nobody waits for it any more. */
  settle(model: Model): void {
    this.#demanded.delete(model);
  }

  /** Nobody needs it: it is not loaded again before it is asked for. */
  forget(model: Model): void {
    if (this.#pinned.has(model)) return;
    this.#demanded.delete(model);
    this.#used.delete(model);
  }

  pinned(model: Model): boolean {
    return this.#pinned.has(model);
  }

  get demanded(): readonly Model[] {
    return [...this.#demanded];
  }

  /** Models that a fresh host should have: asked for, pinned, then by use, as far as they fit. The first always does. */
  choose(allowed: (model: Model) => boolean): Model[] {
    const order = new Set([...this.#demanded, ...this.#pinned, ...[...this.#used].reverse()]);
    const chosen: Model[] = [];
    let bytes = HOST_BYTES;
    for (const model of order) {
      if (!allowed(model)) continue;
      const size = this.sizeOf(model);
      if (chosen.length > 0 && bytes + size > this.#maxBytes) continue;
      bytes += size;
      chosen.push(model);
    }
    return chosen;
  }

  /** Whether a fresh host with these models fits beside one that takes `rss`. */
  fitsBeside(rss: number, models: Iterable<Model>): boolean {
    let bytes = rss + HOST_BYTES;
    for (const model of models) bytes += this.sizeOf(model);
    return bytes <= this.#maxBytes;
  }

  fits(bytes: number): boolean {
    return bytes <= this.#maxBytes;
  }

  /** Loaded models that should give way so that a host of `rss` bytes has room for `size` more; none if it has. */
  victims(loaded: ReadonlySet<Model>, rss: number, size: number): Model[] {
    let needed = rss + size - this.#maxBytes;
    const chosen: Model[] = [];
    for (const model of this.#leaving(loaded)) {
      if (needed <= 0) break;
      chosen.push(model);
      needed -= this.sizeOf(model);
    }
    // Those that are not needed once the large ones among them go may stay.
    return chosen.filter((model) => {
      const spare = needed + this.sizeOf(model) <= 0;
      if (spare) needed += this.sizeOf(model);
      return !spare;
    });
  }

  /** Idle before busy, pinned last, by their last use within each. */
  #leaving(loaded: ReadonlySet<Model>): Model[] {
    const rank = (model: Model): number => (this.#pinned.has(model) ? 2 : model.waiting > 0 ? 1 : 0);
    const known = [...this.#used].filter((model) => loaded.has(model));
    const unknown = [...loaded].filter((model) => !this.#used.has(model));
    return [...unknown, ...known].sort((a, b) => rank(a) - rank(b));
  }

  /** What its host grew by when it was loaded; before that, the size of its files. */
  sizeOf(model: Model): number {
    let size = this.#sizes.get(model);
    if (size === undefined) {
      size = fileBytes(model);
      this.#sizes.set(model, size);
    }
    return size;
  }

  /** A host grew by so much. Memory that was free before hides growth, so the largest counts. */
  measured(model: Model, bytes: number): void {
    this.#sizes.set(model, Math.max(bytes, this.sizeOf(model)));
  }
}

function fileBytes({ bundle }: Model): number {
  let bytes = 0;
  for (const { file } of filesOf(bundle.manifest))
    bytes += statSync(join(bundle.folder, file), { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}
