import { z } from 'zod';
import { DATATYPES } from '../../ports/tensor.ts';

/**
 * The transforms of a graph: one schema each. Axes count from 0, negative ones from the end; axis 0 is the batch where
 * a graph has one. Elementwise transforms give FP64 for FP64 and FP32 for everything else.
 */

const axis = z.number().int().min(-8).max(7);
const count = z.number().int().min(1).max(1_000_000);
const size = z.number().int().min(1).max(16_384);
const column = z.array(z.number()).min(1).max(65_536);
const labels = z.array(z.string().min(1).max(256)).min(1).max(100_000);
const rate = z.number().int().min(1).max(10_000_000);

/** One number for all values, or one for each place along `axis`. */
const perAxis = z.union([z.number().transform((value) => [value]), column]);

const of = <const T extends string, S extends z.core.$ZodLooseShape>(transform: T, shape: S) =>
  z.strictObject({ transform: z.literal(transform), ...shape });

const arithmetic = [
  of('scale', {
    factor: perAxis.default([1]),
    offset: perAxis.default([0]),
    axis: axis.default(-1),
  }).describe('value × factor + offset'),
  of('offset', { by: perAxis, axis: axis.default(-1) }).describe('value + by'),
  of('standardize', { mean: perAxis, std: perAxis, axis: axis.default(-1) }).describe('(value - mean) / std'),
  of('zscore', {
    axes: z.array(axis).min(1).max(8).optional(),
    epsilon: z.number().min(0).default(1e-6),
  }).describe(
    '(value - mean) / (population standard deviation + epsilon) over `axes`; default: all but the batch',
  ),
  of('log', {
    base: z.union([z.literal('e'), z.literal(2), z.literal(10)]).default('e'),
    floor: z.number().positive().default(1e-10).describe('Smaller values count as this'),
    epsilon: z.number().min(0).default(0).describe('Added before the logarithm'),
  }),
  of('power', { exponent: z.number() }).describe('value ^ exponent'),
  of('abs', {}),
  of('clip', { min: z.number().optional(), max: z.number().optional() }),
  of('cast', {
    datatype: z.enum(DATATYPES).exclude(['BYTES']),
  }).describe('Integers are rounded and held within their range'),
  of('sigmoid', {}),
  of('softmax', { axis: axis.default(-1) }),
] as const;

const decisions = [
  of('argmax', { axis: axis.default(-1), labels: labels.optional() }).describe(
    'Place of the largest value as INT32, or its label as BYTES',
  ),
  of('top', { count: count.max(1000), axis: z.literal(-1).default(-1), labels: labels.optional() }).describe(
    'The largest values, best first: outputs values, indices and, with labels, labels',
  ),
  of('threshold', { value: z.number(), labels: labels.length(2).optional() }).describe(
    'value ≥ threshold as BOOL, or [below, at or above] as BYTES',
  ),
  of('labels', { labels }).describe('What each whole number stands for, as BYTES'),
  of('reduce', {
    by: z.enum(['mean', 'sum', 'min', 'max']),
    axis,
    keep: z.boolean().default(false).describe('Whether the axis stays, with length 1'),
  }),
] as const;

const shapes = [
  of('reshape', {
    shape: z
      .array(
        z
          .number()
          .int()
          .min(-1)
          .max(2 ** 31),
      )
      .max(8)
      .describe('-1 at most once: what is left'),
  }),
  of('transpose', { order: z.array(z.number().int().min(0).max(7)).min(1).max(8) }),
  of('concat', { axis }),
  of('split', { axis, sizes: z.array(count).min(1).max(64) }).describe('Outputs 0, 1, …'),
  of('slice', { axis, start: z.number().int().default(0), end: z.number().int().optional() }),
] as const;

const windows = [
  of('frames', {
    size: count,
    hop: count,
    axis: axis.default(1),
    pad: z.boolean().default(false).describe('Whether a last frame that is not full is filled with zeros'),
  }).describe('Cuts `axis` into frames: [.., n, ..] becomes [.., frames, size, ..]'),
  of('window', {
    rows: count,
    hop: count.optional().describe('Default: all rows that come in one run'),
    of: z.array(count).max(6).default([]).describe('Shape of one row'),
  }).describe(
    'Keeps the rows of a device from run to run. [batch, n, ..of] becomes [batch, rows, ..of], or with hop [batch, n / hop, rows, ..of]: windows of the last rows, zeros before the first',
  ),
] as const;

const images = [
  of('image', {
    width: size,
    height: size,
    fit: z
      .enum(['stretch', 'cover', 'letterbox'])
      .default('stretch')
      .describe('cover cuts off what is too much, letterbox fills with `background`'),
    background: z.number().int().min(0).max(255).default(114),
    colours: z.enum(['rgb', 'bgr', 'grey']).default('rgb'),
    layout: z.enum(['NHWC', 'NCHW']).default('NHWC'),
    kernel: z.enum(['nearest', 'linear', 'cubic', 'lanczos3']).default('linear'),
    maxPixels: z
      .number()
      .int()
      .min(1)
      .max(268_435_456)
      .default(33_554_432)
      .describe('Larger pictures are refused before they are decoded'),
  }).describe(
    'JPEG or PNG in BYTES [n] as UINT8 pixels, turned as EXIF says; output `info` [n, 6]: scale x, scale y, left, top, width, height',
  ),
  of('nms', {
    boxes: z.enum(['xyxy', 'yxyx', 'xywh', 'cxcywh']).default('xyxy'),
    score: z.number().min(0).default(0.25).describe('Boxes with less are left out'),
    iou: z
      .number()
      .min(0)
      .max(1)
      .default(0.45)
      .describe('Boxes that overlap a better one by more are left out'),
    max: count.max(10_000).default(100),
    across: z.boolean().default(false).describe('Whether boxes of different classes suppress one another'),
    relative: z.boolean().default(false).describe('Boxes are fractions of the width and height of the input'),
    size: z
      .array(size)
      .length(2)
      .optional()
      .describe('[width, height] of the input, needed with relative and info'),
    labels: labels.optional(),
    pad: z.boolean().default(false).describe('Always `max` rows, zeros behind the last; output `count` [n]'),
  }).describe(
    'Non-maximum suppression: boxes [n, k, 4], scores [n, k] or [n, k, classes] and, to answer in pixels of the picture, `info` of an image node. Outputs boxes (xyxy), scores, classes and, with labels, labels',
  ),
] as const;

const sounds = [
  of('resample', { from: rate, to: rate, axis: axis.default(1) }).describe(
    'Another sampling rate, by a windowed sinc without ringing beyond the band',
  ),
  of('spectrum', {
    fft: z
      .number()
      .int()
      .min(2)
      .max(65_536)
      .describe('Length of the transform; frames are filled with zeros'),
    window: z.enum(['hann', 'hamming', 'none']).default('hann'),
    power: z
      .union([z.literal(1), z.literal(2)])
      .default(2)
      .describe('1: magnitude, 2: power'),
  }).describe('Frames [.., size] as spectra [.., fft / 2 + 1]'),
  of('mel', {
    rate,
    bands: count.max(1024),
    low: z.number().min(0).default(0),
    high: z.number().positive().optional().describe('Default: half the rate'),
    scale: z.enum(['htk', 'slaney']).default('htk'),
    area: z.boolean().default(false).describe('Whether triangles have area 1 (Slaney) in place of height 1'),
  }).describe('Spectra [.., bins] as mel bands [.., bands]'),
  of('dct', { count: count.max(1024) }).describe(
    'Orthonormal DCT-II along the last axis: cepstral coefficients',
  ),
] as const;

export const transformSchema = z.discriminatedUnion('transform', [
  ...arithmetic,
  ...decisions,
  ...shapes,
  ...windows,
  ...images,
  ...sounds,
]);

/** Parameters of one transform, defaults filled in. */
export type TransformPlan = z.output<typeof transformSchema>;
export type TransformOf<T extends TransformPlan['transform']> = Extract<TransformPlan, { transform: T }>;
