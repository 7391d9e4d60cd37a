import type { Tensor } from '../../../ports/tensor.ts';
import type { TransformOf } from '../../graph/transform-schema.ts';
import { createFft } from './fft.ts';
import {
  axisOf,
  cutAt,
  floatOf,
  type Make,
  needNumbers,
  newFloats,
  numbersOf,
  type TensorType,
  type Transform,
  wrong,
} from './transform.ts';

/** Transforms of sound: another rate, spectra of frames, mel bands, cepstral coefficients. */

const WINDOWS: Readonly<Record<TransformOf<'spectrum'>['window'], (i: number, n: number) => number>> = {
  // Periodic, as the short-time transform of speech models has them.
  hann: (i, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / n),
  hamming: (i, n) => 0.54 - 0.46 * Math.cos((2 * Math.PI * i) / n),
  none: () => 1,
};

export const spectrum: Make<TransformOf<'spectrum'>> = ({ fft, window, power }, [input]) => {
  const size = lastOf(input!);
  if (size > fft) throw wrong('fft', `${fft} is shorter than the frames of ${size}`);
  const transform = createFft(fft);
  const shape = WINDOWS[window];
  const weights = Float64Array.from({ length: size }, (_, i) => shape(i, size));
  const bins = Math.floor(fft / 2) + 1;
  const re = new Float64Array(fft);
  const im = new Float64Array(fft);
  return rows(input!, size, bins, (from, at, to, place) => {
    for (let i = 0; i < size; i++) re[i] = from[at + i]! * weights[i]!;
    re.fill(0, size);
    im.fill(0);
    transform.run(re, im);
    for (let k = 0; k < bins; k++) {
      const energy = re[k]! ** 2 + im[k]! ** 2;
      to[place + k] = power === 2 ? energy : Math.sqrt(energy);
    }
  });
};

const MEL = {
  htk: {
    to: (hertz: number) => 2595 * Math.log10(1 + hertz / 700),
    from: (mel: number) => 700 * (10 ** (mel / 2595) - 1),
  },
  // Slaney's Auditory Toolbox: linear below 1 kHz, logarithmic above.
  slaney: {
    to: (hertz: number) =>
      hertz < 1000 ? (hertz * 3) / 200 : 15 + (27 * Math.log(hertz / 1000)) / Math.log(6.4),
    from: (mel: number) => (mel < 15 ? (mel * 200) / 3 : 1000 * 6.4 ** ((mel - 15) / 27)),
  },
};

/** Weights `[bands, bins]` of triangular filters that are evenly spaced in mel. */
export function melWeights(
  bins: number,
  { rate, bands, low, high = rate / 2, scale, area }: TransformOf<'mel'>,
): Float64Array[] {
  const mel = MEL[scale];
  const [from, to] = [mel.to(low), mel.to(high)];
  const edges = Array.from({ length: bands + 2 }, (_, i) => mel.from(from + ((to - from) * i) / (bands + 1)));
  return Array.from({ length: bands }, (_, band) => {
    const [left, middle, right] = [edges[band]!, edges[band + 1]!, edges[band + 2]!];
    const height = area ? 2 / (right - left) : 1;
    return Float64Array.from({ length: bins }, (_, bin) => {
      const hertz = (bin * rate) / (2 * (bins - 1));
      const rising = (hertz - left) / (middle - left);
      const falling = (right - hertz) / (right - middle);
      return Math.max(0, Math.min(rising, falling)) * height;
    });
  });
}

export const mel: Make<TransformOf<'mel'>> = (params, [input]) => {
  const bins = lastOf(input!);
  if (bins < 2) throw wrong('inputs', `expected spectra, found ${bins} values`);
  // Most weights are 0: each band sums over its own bins only.
  const bands = melWeights(bins, params).map((weights) => {
    const first = weights.findIndex((weight) => weight > 0);
    const end = weights.findLastIndex((weight) => weight > 0) + 1;
    return { first: Math.max(0, first), weights: weights.slice(Math.max(0, first), end) };
  });
  return rows(input!, bins, params.bands, (from, at, to, place) => {
    for (let band = 0; band < bands.length; band++) {
      const { first, weights } = bands[band]!;
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += from[at + first + i]! * weights[i]!;
      to[place + band] = sum;
    }
  });
};

export const dct: Make<TransformOf<'dct'>> = ({ count }, [input]) => {
  const size = lastOf(input!);
  if (count > size) throw wrong('count', `${count} coefficients of ${size} values`);
  const basis = Array.from({ length: count }, (_, k) =>
    Float64Array.from(
      { length: size },
      (_, i) => Math.sqrt((k === 0 ? 1 : 2) / size) * Math.cos((Math.PI * k * (2 * i + 1)) / (2 * size)),
    ),
  );
  return rows(input!, size, count, (from, at, to, place) => {
    for (let k = 0; k < count; k++) {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += from[at + i]! * basis[k]![i]!;
      to[place + k] = sum;
    }
  });
};

/** Zero crossings of the windowed sinc on each side: about 80 dB of what would fold back is gone. */
const ZEROS = 16;

export const resample: Make<TransformOf<'resample'>> = ({ from: source, to: target, axis }, [input]) => {
  needNumbers(input!);
  const at = axisOf(axis, input!.shape.length);
  const divisor = gcd(source, target);
  const up = target / divisor;
  const down = source / divisor;
  const lengthOf = (length: number): number => (length === -1 ? -1 : Math.ceil((length * up) / down));
  const shapeOf = (shape: readonly number[]): number[] => shape.map((d, i) => (i === at ? lengthOf(d) : d));
  const datatype = floatOf(input!.datatype);
  const cutoff = Math.min(1, up / down);
  const reach = ZEROS / cutoff;
  const phases = Array.from({ length: Math.min(up, 4096) }, () => undefined as Float64Array | undefined);
  const taps = (phase: number): Float64Array => {
    const known = phases[phase];
    if (known) return known;
    const made = phaseTaps(phase / up, reach, cutoff);
    if (phase < phases.length) phases[phase] = made;
    return made;
  };
  const side = Math.ceil(reach);
  return {
    outputs: [{ name: 'out', datatype, shape: shapeOf(input!.shape) }],
    run([tensor]) {
      const values = numbersOf(tensor!);
      const { outer, length, inner } = cutAt(tensor!.shape, at);
      const made = lengthOf(length);
      const data = newFloats(datatype, outer * made * inner);
      for (let i = 0; i < made; i++) {
        const whole = Math.floor((i * down) / up);
        const weights = taps((i * down) % up);
        for (let o = 0; o < outer; o++) {
          for (let n = 0; n < inner; n++) {
            let sum = 0;
            for (let k = 0; k < weights.length; k++) {
              const place = whole - side + k;
              if (place >= 0 && place < length)
                sum += values[(o * length + place) * inner + n]! * weights[k]!;
            }
            data[(o * made + i) * inner + n] = sum;
          }
        }
      }
      return [{ datatype, shape: shapeOf(tensor!.shape), data }] satisfies Tensor[];
    },
  };
};

/** Weights of the samples around a place that lies `fraction` behind one of them; they sum to 1. */
function phaseTaps(fraction: number, reach: number, cutoff: number): Float64Array {
  const side = Math.ceil(reach);
  const weights = Float64Array.from({ length: 2 * side + 1 }, (_, k) => {
    const distance = k - side - fraction;
    if (Math.abs(distance) >= reach) return 0;
    const x = Math.PI * distance * cutoff;
    const sinc = x === 0 ? 1 : Math.sin(x) / x;
    return (
      sinc *
      (0.42 +
        0.5 * Math.cos((Math.PI * distance) / reach) +
        0.08 * Math.cos((2 * Math.PI * distance) / reach))
    );
  });
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** The last dimension, which must be known. */
function lastOf(input: TensorType): number {
  needNumbers(input);
  const last = input.shape.at(-1);
  if (last === undefined || last < 1)
    throw wrong('inputs', `the last dimension of [${input.shape.join(', ')}] must be known`);
  return last;
}

/** Turns each run of `size` values along the last axis into `made` values. */
function rows(
  input: TensorType,
  size: number,
  made: number,
  one: (
    from: Float32Array | Float64Array,
    at: number,
    to: Float32Array | Float64Array,
    place: number,
  ) => void,
): Transform {
  const datatype = floatOf(input.datatype);
  return {
    outputs: [{ name: 'out', datatype, shape: [...input.shape.slice(0, -1), made] }],
    run([tensor]) {
      if (tensor!.shape.at(-1) !== size)
        throw wrong('inputs', `rows of ${tensor!.shape.at(-1)} values, made for ${size}`);
      const from = numbersOf(tensor!);
      const count = from.length / size;
      const data = newFloats(datatype, count * made);
      for (let row = 0; row < count; row++) one(from, row * size, data, row * made);
      return [{ datatype, shape: [...tensor!.shape.slice(0, -1), made], data }];
    },
  };
}
