/** A discrete Fourier transform of one length, with its tables. */
export interface Fft {
  readonly length: number;
  /** Transforms in place; both arrays have `length` values. */
  run(re: Float64Array, im: Float64Array): void;
}

/** Powers of two by Cooley and Tukey, all other lengths as a convolution of a power of two (Bluestein). */
export function createFft(length: number): Fft {
  return (length & (length - 1)) === 0 ? radix2(length) : bluestein(length);
}

function radix2(length: number): Fft {
  const bits = Math.round(Math.log2(length));
  const reversed = new Uint32Array(length);
  for (let i = 0; i < length; i++)
    reversed[i] = bits === 0 ? 0 : (reversed[i >> 1]! >> 1) | ((i & 1) << (bits - 1));
  const cos = Float64Array.from({ length: length / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / length));
  const sin = Float64Array.from({ length: length / 2 }, (_, k) => -Math.sin((2 * Math.PI * k) / length));
  return {
    length,
    run(re, im) {
      for (let i = 0; i < length; i++) {
        const j = reversed[i]!;
        if (j <= i) continue;
        [re[i], re[j]] = [re[j]!, re[i]!];
        [im[i], im[j]] = [im[j]!, im[i]!];
      }
      for (let half = 1, step = length / 2; half < length; half *= 2, step /= 2) {
        for (let start = 0; start < length; start += 2 * half) {
          for (let k = 0; k < half; k++) {
            const a = start + k;
            const b = a + half;
            const c = cos[k * step]!;
            const s = sin[k * step]!;
            const x = re[b]! * c - im[b]! * s;
            const y = re[b]! * s + im[b]! * c;
            re[b] = re[a]! - x;
            im[b] = im[a]! - y;
            re[a] = re[a]! + x;
            im[a] = im[a]! + y;
          }
        }
      }
    },
  };
}

function bluestein(length: number): Fft {
  let size = 1;
  while (size < 2 * length - 1) size *= 2;
  const inner = radix2(size);
  const cos = new Float64Array(length);
  const sin = new Float64Array(length);
  for (let k = 0; k < length; k++) {
    // k² mod 2n keeps the angle small, so that it stays exact.
    const angle = (Math.PI * ((k * k) % (2 * length))) / length;
    cos[k] = Math.cos(angle);
    sin[k] = Math.sin(angle);
  }
  const chirpRe = new Float64Array(size);
  const chirpIm = new Float64Array(size);
  for (let k = 0; k < length; k++) {
    chirpRe[k] = cos[k]!;
    chirpIm[k] = sin[k]!;
    if (k === 0) continue;
    chirpRe[size - k] = cos[k]!;
    chirpIm[size - k] = sin[k]!;
  }
  inner.run(chirpRe, chirpIm);
  const a = new Float64Array(size);
  const b = new Float64Array(size);
  return {
    length,
    run(re, im) {
      a.fill(0);
      b.fill(0);
      for (let k = 0; k < length; k++) {
        a[k] = re[k]! * cos[k]! + im[k]! * sin[k]!;
        b[k] = im[k]! * cos[k]! - re[k]! * sin[k]!;
      }
      inner.run(a, b);
      for (let k = 0; k < size; k++) {
        const x = a[k]! * chirpRe[k]! - b[k]! * chirpIm[k]!;
        // Conjugated, so that the same transform goes back.
        b[k] = -(a[k]! * chirpIm[k]! + b[k]! * chirpRe[k]!);
        a[k] = x;
      }
      inner.run(a, b);
      for (let k = 0; k < length; k++) {
        const x = a[k]! / size;
        const y = -b[k]! / size;
        re[k] = x * cos[k]! + y * sin[k]!;
        im[k] = y * cos[k]! - x * sin[k]!;
      }
    },
  };
}
