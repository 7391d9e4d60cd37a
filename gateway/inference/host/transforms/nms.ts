import type { Tensor } from '../../../ports/tensor.ts';
import type { TransformOf } from '../../graph/transform-schema.ts';
import type { Floats } from '../preprocess.ts';
import { INFO } from './image.ts';
import { encodeLabels, type Make, needNumbers, numbersOf, type TensorType, wrong } from './transform.ts';

/** Most boxes of one picture that are looked at, best first: what a detector gives above its threshold is less. */
const MAX_CANDIDATES = 10_000;

interface Found {
  /** Left, top, right, bottom. */
  readonly box: readonly [number, number, number, number];
  readonly score: number;
  readonly class: number;
}

/** The best boxes of one picture. `at(k)` is box `k` as corners, `scores` holds `classes` values for each box. */
export function suppress(
  boxes: number,
  at: (k: number) => Found['box'],
  scores: Floats,
  classes: number,
  params: Pick<TransformOf<'nms'>, 'score' | 'iou' | 'max' | 'across'>,
): Found[] {
  const candidates: Found[] = [];
  for (let k = 0; k < boxes; k++) {
    for (let c = 0; c < classes; c++) {
      const score = scores[k * classes + c]!;
      if (score >= params.score) candidates.push({ box: at(k), score, class: c });
    }
  }
  candidates.sort((a, b) => b.score - a.score);
  const kept: Found[] = [];
  for (const candidate of candidates.slice(0, MAX_CANDIDATES)) {
    const hidden = kept.some(
      (better) =>
        (params.across || better.class === candidate.class) &&
        overlap(better.box, candidate.box) > params.iou,
    );
    if (!hidden) kept.push(candidate);
    if (kept.length === params.max) break;
  }
  return kept;
}

/** Intersection over union. */
function overlap(a: Found['box'], b: Found['box']): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (!(width > 0 && height > 0)) return 0;
  const shared = width * height;
  return shared / (area(a) + area(b) - shared);
}

const area = ([left, top, right, bottom]: Found['box']): number => (right - left) * (bottom - top);

const CORNERS: Readonly<
  Record<TransformOf<'nms'>['boxes'], (a: number, b: number, c: number, d: number) => Found['box']>
> = {
  xyxy: (left, top, right, bottom) => [left, top, right, bottom],
  yxyx: (top, left, bottom, right) => [left, top, right, bottom],
  xywh: (left, top, width, height) => [left, top, left + width, top + height],
  cxcywh: (x, y, width, height) => [x - width / 2, y - height / 2, x + width / 2, y + height / 2],
};

export const nms: Make<TransformOf<'nms'>> = (params, [boxes, scores, info]) => {
  checkInputs(boxes!, scores!, info, params);
  const { labels, max, pad } = params;
  const texts = labels && encodeLabels(labels);
  const batch = boxes!.shape[0]!;
  const rows = pad ? [batch, max] : [-1];
  return {
    single: !pad,
    outputs: [
      { name: 'boxes', datatype: 'FP32', shape: [...rows, 4] },
      { name: 'scores', datatype: 'FP32', shape: rows },
      { name: 'classes', datatype: 'INT32', shape: rows },
      ...(texts ? [{ name: 'labels', datatype: 'BYTES' as const, shape: rows }] : []),
      ...(pad ? [{ name: 'count', datatype: 'INT32' as const, shape: [batch] }] : []),
    ],
    run([boxTensor, scoreTensor, infoTensor]) {
      const [items = 0, count = 0] = boxTensor!.shape;
      if (!pad && items !== 1) throw wrong('pad', `${items} pictures in one run need pad: true`);
      const classes = scoreTensor!.shape[2] ?? 1;
      if (scoreTensor!.shape[0] !== items || scoreTensor!.shape[1] !== count || boxTensor!.shape[2] !== 4)
        throw wrong(
          'inputs',
          `boxes [${boxTensor!.shape.join(', ')}] do not go with scores [${scoreTensor!.shape.join(', ')}]`,
        );
      const [corner, score] = [numbersOf(boxTensor!), numbersOf(scoreTensor!)];
      const found = Array.from({ length: items }, (_, n) =>
        suppress(
          count,
          placer(corner, n, count, params, infoTensor),
          score.subarray(n * count * classes, (n + 1) * count * classes),
          classes,
          params,
        ),
      );
      return detections(found, params, texts);
    },
  };
};

function checkInputs(
  boxes: TensorType,
  scores: TensorType,
  info: TensorType | undefined,
  { labels }: TransformOf<'nms'>,
): void {
  needNumbers(boxes, 'inputs[0]');
  needNumbers(scores, 'inputs[1]');
  const fits = (d: number | undefined, wanted: number): boolean => d === -1 || d === wanted;
  if (boxes.shape.length !== 3 || !fits(boxes.shape[2], 4))
    throw wrong('inputs[0]', `expected boxes [n, k, 4], found [${boxes.shape.join(', ')}]`);
  if (scores.shape.length !== 2 && scores.shape.length !== 3)
    throw wrong('inputs[1]', `expected scores [n, k] or [n, k, classes], found [${scores.shape.join(', ')}]`);
  if (scores.shape[1] !== -1 && boxes.shape[1] !== -1 && scores.shape[1] !== boxes.shape[1])
    throw wrong('inputs[1]', `${scores.shape[1]} scores for ${boxes.shape[1]} boxes`);
  const classes = scores.shape[2] ?? 1;
  if (labels && classes !== -1 && labels.length !== classes)
    throw wrong('labels', `${labels.length} labels for ${classes} classes`);
  if (info && (info.shape.length !== 2 || !fits(info.shape[1], INFO)))
    throw wrong('inputs[2]', `expected info of an image node [n, ${INFO}], found [${info.shape.join(', ')}]`);
}

/** Corners of the boxes of picture `n`: in the pixels of the picture itself where its `info` is there. */
function placer(
  boxes: Floats,
  n: number,
  count: number,
  { boxes: format, relative, size }: TransformOf<'nms'>,
  info: Tensor | undefined,
): (k: number) => Found['box'] {
  const corners = CORNERS[format];
  const [width, height] = relative && size ? size : [1, 1];
  const [scaleX = 1, scaleY = 1, left = 0, top = 0, own = 0, tall = 0] = info
    ? numbersOf(info).subarray(n * INFO, (n + 1) * INFO)
    : [];
  return (k) => {
    const at = (n * count + k) * 4;
    const [x1, y1, x2, y2] = corners(boxes[at]!, boxes[at + 1]!, boxes[at + 2]!, boxes[at + 3]!);
    if (!info) return [x1, y1, x2, y2];
    const x = (value: number): number => Math.min(own, Math.max(0, (value * width! - left) / scaleX));
    const y = (value: number): number => Math.min(tall, Math.max(0, (value * height! - top) / scaleY));
    return [x(x1), y(y1), x(x2), y(y2)];
  };
}

function detections(
  found: readonly (readonly Found[])[],
  { pad, max }: TransformOf<'nms'>,
  texts: readonly Uint8Array[] | undefined,
): Tensor[] {
  const per = pad ? max : found[0]!.length;
  const shape = pad ? [found.length, max] : [per];
  const boxes = new Float32Array(found.length * per * 4);
  const scores = new Float32Array(found.length * per);
  const classes = new Int32Array(found.length * per);
  const labels = new Array<Uint8Array>(found.length * per).fill(new Uint8Array(0));
  for (const [n, list] of found.entries()) {
    for (const [k, one] of list.entries()) {
      const at = n * per + k;
      boxes.set(one.box, at * 4);
      scores[at] = one.score;
      classes[at] = one.class;
      const text = texts?.[one.class];
      if (texts && !text) throw wrong('labels', `there is no label for class ${one.class}`);
      if (text) labels[at] = text;
    }
  }
  return [
    { datatype: 'FP32', shape: [...shape, 4], data: boxes },
    { datatype: 'FP32', shape, data: scores },
    { datatype: 'INT32', shape, data: classes },
    ...(texts ? [{ datatype: 'BYTES' as const, shape, data: labels }] : []),
    ...(pad
      ? [
          {
            datatype: 'INT32' as const,
            shape: [found.length],
            data: Int32Array.from(found, (list) => list.length),
          },
        ]
      : []),
  ];
}
