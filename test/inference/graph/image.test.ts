import sharp from 'sharp';
import { expect, test } from 'vitest';
import type { GatewayError } from '../../../gateway/errors.ts';
import type { Tensor } from '../../../gateway/ports/tensor.ts';
import { apply, fp32, numbers, texts } from './harness.ts';

const bytes = (...files: Uint8Array[]): Tensor => ({ datatype: 'BYTES', shape: [files.length], data: files });

/** A PNG of `width` × `height` pixels, each made by `pixel`. */
async function png(
  width: number,
  height: number,
  pixel: (x: number, y: number) => readonly [number, number, number],
): Promise<Uint8Array> {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) data.set(pixel(x, y), (y * width + x) * 3);
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

const quarters = (x: number, y: number): readonly [number, number, number] => [x * 10, y * 10, 7];
const exact = { transform: 'image', kernel: 'nearest' };

test('pixels come as they are, in both layouts and orders of colours', async () => {
  const file = await png(4, 2, quarters);
  const rows = [0, 1].flatMap((y) => [0, 1, 2, 3].map((x) => [x * 10, y * 10, 7]));
  const nhwc = await apply({ ...exact, width: 4, height: 2 }, bytes(file, file));
  expect(nhwc.pixels!.shape).toEqual([2, 2, 4, 3]);
  expect(numbers(nhwc.pixels)).toEqual([...rows.flat(), ...rows.flat()]);
  const nchw = await apply({ ...exact, width: 4, height: 2, layout: 'NCHW', colours: 'bgr' }, bytes(file));
  expect(nchw.pixels!.shape).toEqual([1, 3, 2, 4]);
  expect(numbers(nchw.pixels)).toEqual([2, 1, 0].flatMap((c) => rows.map((pixel) => pixel[c]!)));
  const grey = await apply({ ...exact, width: 4, height: 2, colours: 'grey' }, bytes(file));
  expect(grey.pixels!.shape).toEqual([1, 2, 4, 1]);
});

test('stretch, cover and letterbox say where the picture lies', async () => {
  const file = await png(8, 4, () => [200, 100, 50]);
  const stretched = await apply({ ...exact, width: 4, height: 4 }, bytes(file));
  expect(numbers(stretched.info)).toEqual([0.5, 1, 0, 0, 8, 4]);
  const boxed = await apply(
    { ...exact, width: 4, height: 4, fit: 'letterbox', background: 9, colours: 'grey' },
    bytes(file),
  );
  expect(numbers(boxed.info)).toEqual([0.5, 0.5, 0, 1, 8, 4]);
  const grey = numbers(boxed.pixels);
  expect(grey.slice(0, 4)).toEqual([9, 9, 9, 9]);
  expect(grey.slice(4, 12).every((value) => value > 90)).toBe(true);
  expect(grey.slice(12)).toEqual([9, 9, 9, 9]);
  const covered = await apply({ ...exact, width: 4, height: 4, fit: 'cover' }, bytes(file));
  expect(numbers(covered.info)).toEqual([1, 1, -2, 0, 8, 4]);
});

test('JPEG is turned as EXIF says', async () => {
  const left = await png(16, 8, (x) => (x < 8 ? [255, 255, 255] : [0, 0, 0]));
  const turned = await sharp(left).withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer();
  const { pixels, info } = await apply({ ...exact, width: 8, height: 16, colours: 'grey' }, bytes(turned));
  expect(numbers(info).slice(4)).toEqual([8, 16]);
  const grey = numbers(pixels);
  expect(Math.min(...grey.slice(0, 7 * 8))).toBeGreaterThan(200);
  expect(Math.max(...grey.slice(9 * 8))).toBeLessThan(50);
});

test('a bomb, a truncated file, another format and noise are refused with a code', async () => {
  const bomb = await png(300, 300, () => [0, 0, 0]);
  const params = { transform: 'image', width: 8, height: 8, maxPixels: 80_000 };
  const codeOf = async (file: Uint8Array): Promise<unknown> =>
    apply(params, bytes(file)).then(
      () => 'decoded',
      (error: unknown) => (error as GatewayError).code,
    );
  expect(await codeOf(bomb)).toBe('MODEL_RUN');
  const small = await png(100, 100, (x, y) => [x, y, x ^ y]);
  expect(await codeOf(small)).toBe('decoded');
  expect(await codeOf(small.subarray(0, small.length / 2))).toBe('MODEL_RUN');
  expect(
    await codeOf(new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')),
  ).toBe('MODEL_RUN');
  expect(await codeOf(await sharp(small).gif().toBuffer())).toBe('MODEL_RUN');
  expect(await codeOf(new Uint8Array(0))).toBe('MODEL_RUN');
  expect(await codeOf(Uint8Array.from({ length: 500 }, (_, i) => (i * 7919) & 255))).toBe('MODEL_RUN');
});

test('non-maximum suppression keeps the best of boxes that overlap, per class or across', async () => {
  const boxes = fp32([1, 4, 4], [0, 0, 10, 10, 1, 1, 11, 11, 20, 20, 30, 30, 0, 0, 10, 10]);
  const scores = fp32([1, 4, 2], [0.9, 0, 0.8, 0, 0, 0.7, 0.1, 0.6]);
  const params = { transform: 'nms', score: 0.3, iou: 0.5, labels: ['cat', 'dog'] };
  const each = await apply(params, boxes, scores);
  expect(texts(each.labels)).toEqual(['cat', 'dog', 'dog']);
  expect(numbers(each.scores).map((score) => Math.round(score * 10))).toEqual([9, 7, 6]);
  expect(numbers(each.boxes).slice(4, 8)).toEqual([20, 20, 30, 30]);
  const across = await apply({ ...params, across: true }, boxes, scores);
  expect(numbers(across.classes)).toEqual([0, 1]);
  const padded = await apply({ ...params, pad: true, max: 5 }, boxes, scores);
  expect(padded.boxes!.shape).toEqual([1, 5, 4]);
  expect(numbers(padded.count)).toEqual([3]);
  expect((await apply({ ...params, max: 1 }, boxes, scores)).boxes!.shape).toEqual([1, 4]);
  expect((await apply({ ...params, score: 0.95 }, boxes, scores)).boxes!.shape).toEqual([0, 4]);
});

test('boxes come back in the pixels of the picture', async () => {
  // A picture of 200 × 100 in a letterbox of 100 × 100: half the size, 25 pixels from the top.
  const info = fp32([1, 6], [0.5, 0.5, 0, 25, 200, 100]);
  const one = fp32([1, 1], [1]);
  const pixels = await apply(
    { transform: 'nms', boxes: 'cxcywh' },
    fp32([1, 1, 4], [50, 50, 20, 10]),
    one,
    info,
  );
  expect(numbers(pixels.boxes)).toEqual([80, 40, 120, 60]);
  const fractions = { transform: 'nms', boxes: 'yxyx', relative: true, size: [100, 100] };
  const held = await apply(fractions, fp32([1, 1, 4], [0.25, -1, 0.5, 0.5]), one, info);
  expect(numbers(held.boxes)).toEqual([0, 0, 100, 50]);
});
