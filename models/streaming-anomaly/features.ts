import type { OnnxGraph } from '../training/onnx.ts';
import { RECENT, WINDOW } from './generate.ts';

/**
 * Features of a window, the same in plain arithmetic and as ONNX operators. Everything is relative to the older part
 * of the window ("history"), so that scale and offset of the sensor do not matter.
 *
 * 64 standardised values, clipped to ±10; then ln(1 + r) of the newest step relative to the mean step of the history,
 * of the newest value's distance from the mean, and of the spread of the recent part relative to the history's.
 */
export const FEATURES = WINDOW + 3;
const HISTORY = WINDOW - RECENT;
const CLIP = 10;
/** Relative floor of the spread: smaller changes than this part of the level are taken for rounding. */
const FLOOR = 1e-4;
const TINY = 1e-6;

export function features(values: Float32Array, out: Float32Array, at: number): void {
  let mean = 0;
  for (let i = 0; i < HISTORY; i++) mean += values[i]! / HISTORY;
  let variance = 0;
  let step = 0;
  for (let i = 0; i < HISTORY; i++) {
    variance += (values[i]! - mean) ** 2 / HISTORY;
    if (i > 0) step += Math.abs(values[i]! - values[i - 1]!) / (HISTORY - 1);
  }
  const floor = FLOOR * Math.abs(mean) + TINY;
  const scale = Math.sqrt(variance) + floor;
  for (let i = 0; i < WINDOW; i++) {
    out[at + i] = Math.max(-CLIP, Math.min(CLIP, (values[i]! - mean) / scale));
  }
  let recent = 0;
  for (let i = HISTORY; i < WINDOW; i++) recent += Math.abs(values[i]! - mean) / RECENT;
  const newest = values[WINDOW - 1]!;
  out[at + WINDOW] = Math.log1p(Math.abs(newest - values[WINDOW - 2]!) / (step + floor));
  out[at + WINDOW + 1] = Math.log1p(Math.abs(newest - mean) / scale);
  out[at + WINDOW + 2] = Math.log1p(recent / scale);
}

/** The same features as operators on `[N, 64]`; answers the name of the `[N, 67]` value. */
export function featureGraph(graph: OnnxGraph, window: string): string {
  const slice = (x: string, from: number, to: number): string =>
    graph.node('Slice', [x, graph.integers([from]), graph.integers([to]), graph.integers([1])]);
  const meanOf = (x: string): string => graph.node('ReduceMean', [x], { axes: [1], keepdims: 1 });
  const log1p = (x: string): string => graph.node('Log', [graph.node('Add', [x, graph.floats([1], [1])])]);
  const absolute = (x: string): string => graph.node('Abs', [x]);

  const history = slice(window, 0, HISTORY);
  const mean = meanOf(history);
  const centred = graph.node('Sub', [history, mean]);
  const variance = meanOf(graph.node('Mul', [centred, centred]));
  const step = meanOf(
    absolute(graph.node('Sub', [slice(window, 1, HISTORY), slice(window, 0, HISTORY - 1)])),
  );
  const floor = graph.node('Add', [
    graph.node('Mul', [absolute(mean), graph.floats([FLOOR], [1])]),
    graph.floats([TINY], [1]),
  ]);
  const scale = graph.node('Add', [graph.node('Sqrt', [variance]), floor]);
  const distance = graph.node('Sub', [window, mean]);
  const standard = graph.node('Clip', [
    graph.node('Div', [distance, scale]),
    graph.floats([-CLIP], []),
    graph.floats([CLIP], []),
  ]);
  const newest = slice(window, WINDOW - 1, WINDOW);
  const lastStep = absolute(graph.node('Sub', [newest, slice(window, WINDOW - 2, WINDOW - 1)]));
  const lastDistance = absolute(graph.node('Sub', [newest, mean]));
  const recent = meanOf(absolute(slice(distance, HISTORY, WINDOW)));
  return graph.node(
    'Concat',
    [
      standard,
      log1p(graph.node('Div', [lastStep, graph.node('Add', [step, floor])])),
      log1p(graph.node('Div', [lastDistance, scale])),
      log1p(graph.node('Div', [recent, scale])),
    ],
    { axis: 1 },
  );
}
