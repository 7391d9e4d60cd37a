import { GatewayError } from '../../../errors.ts';
import type { Tensor } from '../../../ports/tensor.ts';
import type { TransformOf } from '../../graph/transform-schema.ts';
import { isBytes } from '../../tensor-data.ts';
import { type Make, wrong } from './transform.ts';

type Sharp = typeof import('sharp')['default'];
let loaded: Promise<Sharp> | undefined;

/** Loads the decoder, about 40 ms. One thread and no cache: pictures come one at a time and never twice. */
function decoder(): Promise<Sharp> {
  loaded ??= import('sharp').then(
    ({ default: sharp }) => {
      sharp.cache(false);
      sharp.concurrency(1);
      return sharp;
    },
    (error: unknown) => {
      loaded = undefined;
      const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
      throw new GatewayError(
        'MODEL_RUNTIME',
        `pictures need the package sharp, which cannot be loaded: ${reason}`,
        {
          fix: 'Install it for this platform: `npm install sharp`. Everything but pictures works without it.',
          cause: error,
        },
      );
    },
  );
  return loaded;
}

/** What libvips decodes much else with is not for pictures of strangers. */
const FORMATS: ReadonlySet<string | undefined> = new Set(['jpeg', 'png']);

/** Values of `info` per picture: scale x, scale y, left, top, and the picture's own width and height in pixels. */
export const INFO = 6;

/** Where a picture of `width` × `height` comes to lie among the pixels. */
interface Placed {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly top: number;
  readonly scaleX: number;
  readonly scaleY: number;
}

function place(width: number, height: number, params: TransformOf<'image'>): Placed {
  const x = params.width / width;
  const y = params.height / height;
  if (params.fit === 'stretch')
    return { width: params.width, height: params.height, left: 0, top: 0, scaleX: x, scaleY: y };
  const scale = params.fit === 'letterbox' ? Math.min(x, y) : Math.max(x, y);
  const sized = (side: number, limit: number): number => {
    const rounded = Math.max(1, Math.round(side * scale));
    return params.fit === 'letterbox' ? Math.min(limit, rounded) : Math.max(limit, rounded);
  };
  const inner = { width: sized(width, params.width), height: sized(height, params.height) };
  return {
    ...inner,
    left: Math.floor((params.width - inner.width) / 2),
    top: Math.floor((params.height - inner.height) / 2),
    scaleX: inner.width / width,
    scaleY: inner.height / height,
  };
}

export const image: Make<TransformOf<'image'>> = async (params, [input]) => {
  if (input!.datatype !== 'BYTES' || input!.shape.length !== 1)
    throw wrong('inputs', `expected BYTES [n], found ${input!.datatype} [${input!.shape.join(', ')}]`);
  const sharp = await decoder();
  const { width, height, layout } = params;
  const channels = params.colours === 'grey' ? 1 : 3;
  const shapeOf = (count: number): number[] =>
    layout === 'NHWC' ? [count, height, width, channels] : [count, channels, height, width];
  return {
    outputs: [
      { name: 'pixels', datatype: 'UINT8', shape: shapeOf(input!.shape[0]!) },
      { name: 'info', datatype: 'FP32', shape: [input!.shape[0]!, INFO] },
    ],
    async run([tensor]) {
      const { data } = tensor!;
      if (!isBytes(data)) throw wrong('inputs', 'expected BYTES');
      const size = width * height * channels;
      const pixels = new Uint8Array(data.length * size);
      const info = new Float32Array(data.length * INFO);
      for (const [n, file] of data.entries()) {
        const target = pixels.subarray(n * size, (n + 1) * size);
        info.set(await decode(sharp, file, params, target), n * INFO);
      }
      return [
        { datatype: 'UINT8', shape: shapeOf(data.length), data: pixels },
        { datatype: 'FP32', shape: [data.length, INFO], data: info },
      ] satisfies Tensor[];
    },
  };
};

async function decode(
  sharp: Sharp,
  file: Uint8Array,
  params: TransformOf<'image'>,
  target: Uint8Array,
): Promise<number[]> {
  const { kernel, background, colours } = params;
  try {
    const source = sharp(file, { limitInputPixels: params.maxPixels, failOn: 'error', pages: 1 });
    const { format, autoOrient } = await source.metadata();
    if (!FORMATS.has(format)) throw new RangeError(`a picture in the format ${format}`);
    const placed = place(autoOrient.width, autoOrient.height, params);
    const grey = colours === 'grey';
    let turned = source
      .autoOrient()
      .flatten({ background: { r: background, g: background, b: background } })
      .toColourspace(grey ? 'b-w' : 'srgb')
      .resize(placed.width, placed.height, { fit: 'fill', kernel, fastShrinkOnLoad: true });
    if (params.fit === 'cover')
      turned = turned.extract({
        left: -placed.left,
        top: -placed.top,
        width: params.width,
        height: params.height,
      });
    const { data, info } = await turned.raw().toBuffer({ resolveWithObject: true });
    const channels = grey ? 1 : 3;
    if (info.channels !== channels) throw new RangeError(`${info.channels} channels`);
    spread(data, info, placed, params, target);
    return [placed.scaleX, placed.scaleY, placed.left, placed.top, autoOrient.width, autoOrient.height];
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0]!.slice(0, 200) : String(error);
    throw new GatewayError('MODEL_RUN', `not a picture that can be decoded: ${reason}`, {
      received: `${file.length} bytes`,
      expected: `JPEG or PNG of at most ${params.maxPixels} pixels`,
      fix: 'Send whole JPEG or PNG files.',
      cause: error,
    });
  }
}

/** Puts decoded pixels in their place and layout. */
function spread(
  from: Uint8Array,
  { width, height }: { readonly width: number; readonly height: number },
  placed: Placed,
  { layout, colours, fit, background, ...frame }: TransformOf<'image'>,
  to: Uint8Array,
): void {
  const channels = colours === 'grey' ? 1 : 3;
  const left = fit === 'letterbox' ? placed.left : 0;
  const top = fit === 'letterbox' ? placed.top : 0;
  if (fit === 'letterbox') to.fill(background);
  const planar = layout === 'NCHW';
  const step = planar ? 1 : channels;
  const plane = planar ? frame.width * frame.height : 1;
  for (let c = 0; c < channels; c++) {
    const source = colours === 'bgr' ? channels - 1 - c : c;
    for (let y = 0; y < height; y++) {
      let at = y * width * channels + source;
      let place = c * plane + ((y + top) * frame.width + left) * step;
      for (let x = 0; x < width; x++, at += channels, place += step) to[place] = from[at]!;
    }
  }
}
