import fc from 'fast-check';
import { expect, test } from 'vitest';
import { transformSchema } from '../../../gateway/inference/graph/transform-schema.ts';
import { createFft } from '../../../gateway/inference/host/transforms/fft.ts';
import { melWeights } from '../../../gateway/inference/host/transforms/sound.ts';
import { apply, fp32, numbers } from './harness.ts';

const SEED = 20261122;

/** The definition: X[k] = Σ x[n] · e^(-2πi·kn/N). */
function dft(re: readonly number[], im: readonly number[]): { re: number[]; im: number[] } {
  const n = re.length;
  const sums = Array.from({ length: n }, (_, k) => {
    let [x, y] = [0, 0];
    for (let i = 0; i < n; i++) {
      const angle = (-2 * Math.PI * ((k * i) % n)) / n;
      x += re[i]! * Math.cos(angle) - im[i]! * Math.sin(angle);
      y += re[i]! * Math.sin(angle) + im[i]! * Math.cos(angle);
    }
    return [x, y] as const;
  });
  return { re: sums.map(([x]) => x), im: sums.map(([, y]) => y) };
}

test(`the fast transform is the definition, for every length (seed ${SEED})`, () => {
  const value = fc.double({ min: -100, max: 100, noNaN: true });
  const signal = fc
    .integer({ min: 1, max: 130 })
    .chain((n) =>
      fc.tuple(
        fc.array(value, { minLength: n, maxLength: n }),
        fc.array(value, { minLength: n, maxLength: n }),
      ),
    );
  fc.assert(
    fc.property(signal, ([x, y]) => {
      const re = Float64Array.from(x);
      const im = Float64Array.from(y);
      createFft(x.length).run(re, im);
      const wanted = dft(x, y);
      for (let k = 0; k < x.length; k++) {
        expect(re[k]!).toBeCloseTo(wanted.re[k]!, 7);
        expect(im[k]!).toBeCloseTo(wanted.im[k]!, 7);
      }
    }),
    { seed: SEED, numRuns: 120 },
  );
});

test('the spectrum of a frame is the windowed transform, filled up with zeros', async () => {
  const frame = Array.from({ length: 10 }, (_, i) => Math.sin(i) + 0.3);
  const { out } = await apply({ transform: 'spectrum', fft: 16 }, fp32([1, 1, 10], frame));
  expect(out!.shape).toEqual([1, 1, 9]);
  const hann = frame.map((value, i) => value * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / 10)));
  const { re, im } = dft([...hann, 0, 0, 0, 0, 0, 0], new Array(16).fill(0));
  for (const [k, power] of numbers(out).entries()) expect(power).toBeCloseTo(re[k]! ** 2 + im[k]! ** 2, 4);
  const magnitude = await apply({ transform: 'spectrum', fft: 16, power: 1 }, fp32([1, 10], frame));
  expect(numbers(magnitude.out)[3]! ** 2).toBeCloseTo(numbers(out)[3]!, 4);
});

test('mel bands: triangles that meet at their middles, HTK and Slaney', async () => {
  const params = (rest: object) =>
    transformSchema.parse({ transform: 'mel', rate: 16000, bands: 10, ...rest }) as never;
  const htk = melWeights(257, params({}));
  for (let bin = 30; bin < 195; bin++)
    expect(
      htk.reduce((sum, band) => sum + band[bin]!, 0),
      `bin ${bin}`,
    ).toBeCloseTo(1, 9);
  // Slaney's 1 kHz is 15 mel, and his triangles have area 1 (in Hz).
  const slaney = melWeights(4097, params({ scale: 'slaney', area: true }));
  for (const band of slaney) {
    const area = band.reduce((sum, weight) => sum + weight, 0) * (8000 / 4096);
    expect(area).toBeCloseTo(1, 2);
  }
  const spectrum = Float32Array.from({ length: 257 }, (_, i) => i % 7);
  const { out } = await apply({ transform: 'mel', rate: 16000, bands: 10 }, fp32([1, 257], spectrum));
  numbers(out).forEach((found, band) => {
    const wanted = htk[band]!.reduce((sum, weight, i) => sum + weight * spectrum[i]!, 0);
    expect(found).toBeCloseTo(wanted, 3);
  });
});

test('dct is orthonormal', async () => {
  const unit = Array.from({ length: 8 }, (_, i) => Array.from({ length: 8 }, (_, k) => (i === k ? 1 : 0)));
  const { out } = await apply({ transform: 'dct', count: 8 }, fp32([8, 8], unit.flat()));
  const basis = numbers(out);
  for (let a = 0; a < 8; a++) {
    for (let b = 0; b < 8; b++) {
      let dot = 0;
      for (let k = 0; k < 8; k++) dot += basis[a * 8 + k]! * basis[b * 8 + k]!;
      expect(dot).toBeCloseTo(a === b ? 1 : 0, 6);
    }
  }
});

test.each([
  [48000, 16000],
  [8000, 16000],
  [44100, 16000],
])('resampling %i Hz to %i Hz keeps a tone and removes what would fold back', async (from, to) => {
  const seconds = 0.1;
  const tone = (hertz: number, rate: number): number[] =>
    Array.from({ length: Math.round(rate * seconds) }, (_, i) => Math.sin((2 * Math.PI * hertz * i) / rate));
  const params = { transform: 'resample', from, to };
  const kept = numbers((await apply(params, fp32([1, from * seconds], tone(1000, from)))).out);
  expect(kept).toHaveLength(to * seconds);
  const wanted = tone(1000, to);
  const edge = 200;
  for (let i = edge; i < kept.length - edge; i++) expect(kept[i]!).toBeCloseTo(wanted[i]!, 3);
  if (from <= to) return;
  const high = numbers((await apply(params, fp32([1, from * seconds], tone(11_000, from)))).out);
  expect(Math.max(...high.slice(edge, -edge).map(Math.abs))).toBeLessThan(2e-3);
});
