import { type Footprint, type Footprints, fileBytes } from './footprints.ts';
import type { Model } from './model.ts';

/** What an empty host takes, with the runtime. */
const HOST_BYTES = 104 * 1024 * 1024;
/** A model that was never measured may need this part of all there is, whatever its files say. */
const UNKNOWN_PART = 4;
/** Times the size of its files that it is taken to need while it is loaded: weights are copied. */
const COPIES = 2;
/** Times the size of an empty host that one may keep of models that have left. */
const FRESH = 1.25;

/**
 * Which models should be in memory: those that are asked for, those that pipelines need, and of the others the ones
 * that were used last, as far as they fit.
 */
export class Residency {
  /** Resident bytes that a host may have. */
  readonly maxBytes: number;
  /** Asked for and not there yet, in the order they were asked for. */
  readonly #demanded = new Set<Model>();
  readonly #pinned = new Set<Model>();
  /** Models that were used, the one that was used longest ago first. */
  readonly #used = new Set<Model>();
  readonly #footprints: Footprints;
  /** Files of models that were not measured yet; looked at once. */
  readonly #guesses = new WeakMap<Model, number>();

  constructor(maxBytes: number, footprints: Footprints) {
    this.maxBytes = maxBytes;
    this.#footprints = footprints;
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
      if (chosen.length > 0 && bytes + size > this.maxBytes) continue;
      bytes += size;
      chosen.push(model);
    }
    return chosen;
  }

  /** Whether a fresh host with these models fits beside one that takes `rss`, also while they are loaded. */
  fitsBeside(rss: number, models: Iterable<Model>): boolean {
    let bytes = rss + HOST_BYTES;
    let most = bytes;
    for (const model of models) {
      most = Math.max(most, bytes + this.loadSize(model));
      bytes += this.sizeOf(model);
    }
    return Math.max(bytes, most) <= this.maxBytes;
  }

  fits(bytes: number): boolean {
    return bytes <= this.maxBytes;
  }

  /** Whether a host of `rss` bytes has about what an empty one takes: another would have no more room. */
  isFresh(rss: number): boolean {
    return rss <= HOST_BYTES * FRESH;
  }

  /** Loaded models that should give way so that a host of `rss` bytes has room for `size` more; none if it has. */
  victims(loaded: ReadonlySet<Model>, rss: number, size: number): Model[] {
    let needed = rss + size - this.maxBytes;
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
    return this.#footprints.of(model.bundle)?.bytes ?? this.#guess(model);
  }

  /** Room to make before it is loaded. */
  loadSize(model: Model): number {
    const known = this.#footprints.of(model.bundle);
    if (known) return Math.max(known.bytes, known.peak);
    return Math.max(COPIES * this.#guess(model), this.maxBytes / UNKNOWN_PART);
  }

  measured(model: Model, footprint: Footprint): void {
    this.#footprints.note(model.bundle, footprint);
  }

  #guess(model: Model): number {
    const known = this.#guesses.get(model);
    if (known !== undefined) return known;
    const bytes = fileBytes(model.bundle);
    this.#guesses.set(model, bytes);
    return bytes;
  }
}
