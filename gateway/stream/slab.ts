/** Values per slab: 64 KiB of them, so that a small window costs no allocation of its own. */
const SLAB_VALUES = 8192;

/** Hands out zeroed parts of larger arrays. A part keeps its slab alive for as long as the part is held. */
export class Slab {
  #values = new Float64Array(0);
  #used = 0;

  take(count: number): Float64Array {
    if (count > SLAB_VALUES / 4) return new Float64Array(count);
    if (this.#used + count > this.#values.length) {
      this.#values = new Float64Array(SLAB_VALUES);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += count;
    return this.#values.subarray(start, start + count);
  }
}
