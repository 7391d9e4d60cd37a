import type { OnnxGraph } from '../training/onnx.ts';
import { COLUMNS, WINDOW } from './generate.ts';

/**
 * Features of a window, the same in plain arithmetic and as ONNX operators: per column, scaled to about −1…1, the mean
 * of the newest two rows, the mean of all, and the change from the first half to the second.
 */
const WIDTH = COLUMNS.length;
export const FEATURES = 3 * WIDTH;
/** (value − middle) / half width; light as ln(1 + lx). */
const MIDDLE = [22.5, 45, 900, 4, 0.3];
const HALF_WIDTH = [6, 25, 600, 3, 0.3];
/** Changes are small beside levels. */
const CHANGE_GAIN = 5;
const LIGHT = COLUMNS.indexOf('light');

export function features(window: Float32Array, out: Float32Array, at: number): void {
  for (let column = 0; column < WIDTH; column++) {
    let newest = 0;
    let mean = 0;
    let change = 0;
    for (let row = 0; row < WINDOW; row++) {
      const raw = window[row * WIDTH + column]!;
      const level = column === LIGHT ? Math.log1p(Math.max(0, raw)) : raw;
      const value = (level - MIDDLE[column]!) / HALF_WIDTH[column]!;
      mean += value / WINDOW;
      if (row >= WINDOW - 2) newest += value / 2;
      change += ((row < WINDOW / 2 ? -1 : 1) * value * CHANGE_GAIN) / (WINDOW / 2);
    }
    out[at + column] = newest;
    out[at + WIDTH + column] = mean;
    out[at + 2 * WIDTH + column] = change;
  }
}

/** The same features as operators on `[N, 8, 5]`; answers the name of the `[N, 15]` value. */
export function featureGraph(graph: OnnxGraph, window: string): string {
  const slice = (x: string, from: number, to: number, axis: number): string =>
    graph.node('Slice', [x, graph.integers([from]), graph.integers([to]), graph.integers([axis])]);
  const mean = (x: string): string => graph.node('ReduceMean', [x], { axes: [1], keepdims: 0 });
  const light = graph.node('Log', [
    graph.node('Add', [graph.node('Relu', [slice(window, LIGHT, LIGHT + 1, 2)]), graph.floats([1], [1])]),
  ]);
  const levels = graph.node(
    'Concat',
    [slice(window, 0, LIGHT, 2), light, slice(window, LIGHT + 1, WIDTH, 2)],
    { axis: 2 },
  );
  const scaled = graph.node('Div', [
    graph.node('Sub', [levels, graph.floats(MIDDLE, [WIDTH])]),
    graph.floats(HALF_WIDTH, [WIDTH]),
  ]);
  const change = graph.node('Sub', [
    mean(slice(scaled, WINDOW / 2, WINDOW, 1)),
    mean(slice(scaled, 0, WINDOW / 2, 1)),
  ]);
  return graph.node(
    'Concat',
    [
      mean(slice(scaled, WINDOW - 2, WINDOW, 1)),
      mean(scaled),
      graph.node('Mul', [change, graph.floats([CHANGE_GAIN], [1])]),
    ],
    { axis: 1 },
  );
}
