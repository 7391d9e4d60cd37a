import type { OnnxGraph } from '../training/onnx.ts';
import { AXES, WINDOW } from './generate.ts';

/**
 * Features of a window, the same in plain arithmetic and as ONNX operators. Per axis, after removing the mean: the
 * natural logarithm of the Hann-windowed amplitude spectrum in bins 1–64 (1.95 Hz each), of the mean amplitude in
 * twelve bands of 16 bins above, of the effective value, and the kurtosis as ln(1 + k).
 */
const LOW = 64;
const BANDS = 12;
const BAND_WIDTH = 16;
const BINS = LOW + BANDS * BAND_WIDTH;
const PER_AXIS = LOW + BANDS + 2;
export const FEATURES = AXES * PER_AXIS;
const FLOOR = 1e-3;

const HANN = Float64Array.from(
  { length: WINDOW },
  (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW),
);
const COS = Float64Array.from({ length: WINDOW }, (_, i) => Math.cos((2 * Math.PI * i) / WINDOW));
const SIN = Float64Array.from({ length: WINDOW }, (_, i) => Math.sin((2 * Math.PI * i) / WINDOW));

export function features(window: Float32Array, out: Float32Array, at: number): void {
  const x = new Float64Array(WINDOW);
  for (let axis = 0; axis < AXES; axis++) {
    const base = at + axis * PER_AXIS;
    let mean = 0;
    for (let i = 0; i < WINDOW; i++) mean += window[i * AXES + axis]! / WINDOW;
    let square = 0;
    let fourth = 0;
    for (let i = 0; i < WINDOW; i++) {
      const value = window[i * AXES + axis]! - mean;
      square += value ** 2 / WINDOW;
      fourth += value ** 4 / WINDOW;
      x[i] = value * HANN[i]!;
    }
    for (let band = 0; band < BANDS; band++) out[base + LOW + band] = 0;
    for (let k = 1; k <= BINS; k++) {
      let re = 0;
      let im = 0;
      for (let i = 0, turn = 0; i < WINDOW; i++, turn = (turn + k) % WINDOW) {
        re += x[i]! * COS[turn]!;
        im += x[i]! * SIN[turn]!;
      }
      const amplitude = (4 / WINDOW) * Math.sqrt(re * re + im * im);
      if (k <= LOW) out[base + k - 1] = Math.log(amplitude + FLOOR);
      else out[base + LOW + Math.floor((k - LOW - 1) / BAND_WIDTH)]! += amplitude / BAND_WIDTH;
    }
    for (let band = 0; band < BANDS; band++)
      out[base + LOW + band] = Math.log(out[base + LOW + band]! + FLOOR);
    out[base + LOW + BANDS] = Math.log(Math.sqrt(square) + FLOOR);
    out[base + LOW + BANDS + 1] = Math.log1p(fourth / (square * square + FLOOR ** 4));
  }
}

/** The same features as operators on `[N, 512, 3]`; answers the name of the `[N, 234]` value. */
export function featureGraph(graph: OnnxGraph, window: string): string {
  const mean = (x: string, axes: number[]): string => graph.node('ReduceMean', [x], { axes, keepdims: 1 });
  const scalar = (x: number): string => graph.floats([x], [1]);
  const log = (x: string): string => graph.node('Log', [graph.node('Add', [x, scalar(FLOOR)])]);
  const slice = (x: string, from: number, to: number): string =>
    graph.node('Slice', [x, graph.integers([from]), graph.integers([to]), graph.integers([2])]);

  const byAxis = graph.node('Transpose', [window], { perm: [0, 2, 1] });
  const centred = graph.node('Sub', [byAxis, mean(byAxis, [2])]);
  const squared = graph.node('Mul', [centred, centred]);
  const square = mean(squared, [2]);
  const fourth = mean(graph.node('Mul', [squared, squared]), [2]);
  const tapered = graph.node('Mul', [centred, graph.floats(HANN, [WINDOW])]);

  // The Fourier basis is computed by constant folding at load; i·k is reduced mod 512 in integers to keep it exact.
  const range = (from: number, to: number): string =>
    graph.node('Range', [graph.integers([from], []), graph.integers([to], []), graph.integers([1], [])]);
  const turns = graph.node('Mod', [
    graph.node('Mul', [
      graph.node('Unsqueeze', [range(0, WINDOW), graph.integers([1])]),
      graph.node('Unsqueeze', [range(1, BINS + 1), graph.integers([0])]),
    ]),
    graph.integers([WINDOW]),
  ]);
  const angle = graph.node('Mul', [graph.node('Cast', [turns], { to: 1 }), scalar((2 * Math.PI) / WINDOW)]);
  const re = graph.node('MatMul', [tapered, graph.node('Cos', [angle])]);
  const im = graph.node('MatMul', [tapered, graph.node('Sin', [angle])]);
  const power = graph.node('Add', [graph.node('Mul', [re, re]), graph.node('Mul', [im, im])]);
  const amplitude = graph.node('Mul', [graph.node('Sqrt', [power]), scalar(4 / WINDOW)]);
  const bands = graph.node(
    'ReduceMean',
    [graph.node('Reshape', [slice(amplitude, LOW, BINS), graph.integers([0, AXES, BANDS, BAND_WIDTH])])],
    { axes: [3], keepdims: 0 },
  );
  const kurtosis = graph.node('Div', [
    fourth,
    graph.node('Add', [graph.node('Mul', [square, square]), scalar(FLOOR ** 4)]),
  ]);
  const all = graph.node(
    'Concat',
    [
      log(slice(amplitude, 0, LOW)),
      log(bands),
      log(graph.node('Sqrt', [square])),
      graph.node('Log', [graph.node('Add', [kurtosis, scalar(1)])]),
    ],
    { axis: 2 },
  );
  return graph.node('Reshape', [all, graph.integers([0, FEATURES])]);
}
