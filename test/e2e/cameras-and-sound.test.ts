import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import mqtt from 'mqtt';
import sharp from 'sharp';
import { expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../gateway/config/index.ts';
import { melWeights } from '../../gateway/inference/host/transforms/sound.ts';
import { createOnnxRunner } from '../../gateway/inference/runners/onnx.ts';
import {
  decodeAnswer,
  encodeRequest,
  HEADER_LENGTH,
} from '../../gateway/inference/runners/remote/protocol.ts';
import { openReadingStreams } from '../../gateway/ingest/index.ts';
import type { ResultDocument } from '../../gateway/ports/results.ts';
import { openStore } from '../../gateway/store/store.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { CARD } from '../inference/bundles.ts';
import { contents } from '../pipeline/harness.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { freePorts, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { recordingLog } from '../support/log.ts';
import { mlpModel } from '../support/onnx.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';

/** What YAML alone makes of cameras and microphones, through the real doors, compared with a direct computation. */

type Yaml = Record<string, unknown>;

/** Writes a bundle and answers a function that gives the SHA-256 of a model file it writes beside it. */
function bundle(
  models: string,
  name: string,
  make: (file: (name: string, sizes: number[]) => Yaml) => Yaml,
): void {
  const folder = join(models, name);
  mkdirSync(folder, { recursive: true });
  const file = (model: string, sizes: number[]): Yaml => {
    const bytes = mlpModel(sizes);
    writeFileSync(join(folder, model), bytes);
    return { sha256: createHash('sha256').update(bytes).digest('hex') };
  };
  writeFileSync(join(folder, 'model.yaml'), stringify({ name, version: 1, card: CARD, ...make(file) }));
}

/** `mlpModel(sizes)` run directly. */
async function mlp(sizes: number[], rows: readonly (readonly number[])[]): Promise<number[][]> {
  const file = join(temporaryFolder(), 'm.onnx');
  writeFileSync(file, mlpModel(sizes));
  const model = await createOnnxRunner().load(file);
  const data = Float32Array.from(rows.flat());
  const { output } = await model.run({ input: { datatype: 'FP32', shape: [rows.length, sizes[0]!], data } });
  await model.dispose();
  const width = sizes.at(-1)!;
  const flat = Array.from(output!.data as Float32Array);
  return rows.map((_, i) => flat.slice(i * width, (i + 1) * width));
}

const KINDS = ['empty', 'person', 'truck'];
const photo = { inputs: [{ name: 'photo', datatype: 'BYTES', shape: [-1], from: 'request' }] };

function cameraBundles(models: string): void {
  const pixels = (fit: string): Yaml[] => [
    { name: 'picture', transform: 'image', inputs: 'photo', width: 8, height: 8, fit, colours: 'grey' },
    { name: 'scaled', transform: 'scale', inputs: 'picture', factor: 1 / 255 },
    { name: 'flat', transform: 'reshape', inputs: 'scaled', shape: [-1, 64] },
  ];
  bundle(models, 'kinds', (file) => ({
    runtime: 'graph',
    ...photo,
    outputs: [
      { name: 'probabilities', datatype: 'FP32', shape: [-1, 3], as: 'probabilities' },
      { name: 'kind', datatype: 'BYTES', shape: [-1], as: 'kind' },
    ],
    graph: [
      ...pixels('stretch'),
      { name: 'net', model: 'kinds.onnx', inputs: { input: 'flat' }, ...file('kinds.onnx', [64, 3]) },
      { name: 'probabilities', transform: 'softmax', inputs: 'net' },
      { name: 'kind', transform: 'argmax', inputs: 'probabilities', labels: KINDS },
    ],
  }));
  bundle(models, 'boxes', (file) => ({
    runtime: 'graph',
    inputs: [{ name: 'photo', datatype: 'BYTES', shape: [1], from: 'request' }],
    outputs: ['boxes', 'scores', 'labels'].map((name) => ({
      name: `found.${name}`,
      datatype: name === 'labels' ? 'BYTES' : 'FP32',
      shape: name === 'boxes' ? [-1, 4] : [-1],
      as: name,
    })),
    graph: [
      ...pixels('letterbox'),
      { name: 'corners', model: 'boxes.onnx', inputs: { input: 'flat' }, ...file('boxes.onnx', [64, 8]) },
      { name: 'logits', model: 'scores.onnx', inputs: { input: 'flat' }, ...file('scores.onnx', [64, 6]) },
      { name: 'boxes', transform: 'reshape', inputs: 'corners', shape: [-1, 2, 4] },
      { name: 'sure', transform: 'sigmoid', inputs: 'logits' },
      { name: 'scores', transform: 'reshape', inputs: 'sure', shape: [-1, 2, 3] },
      {
        name: 'found',
        transform: 'nms',
        inputs: ['boxes', 'scores', 'picture.info'],
        boxes: 'cxcywh',
        score: 0.01,
        iou: 1,
        labels: KINDS,
      },
    ],
  }));
}

const FRAME = { size: 400, hop: 160, fft: 512, bands: 12, rate: 16_000 };
/** Samples of one result; messages bring whatever the device has. */
const CHUNK = 800;
const MESSAGE = 1250;
const SPECTRA = CHUNK / FRAME.hop;

function soundBundles(models: string): void {
  bundle(models, 'spectrogram', () => ({
    runtime: 'graph',
    rows: CHUNK,
    inputs: [{ name: 'sound', datatype: 'FP32', shape: [-1, CHUNK], from: 'window' }],
    outputs: [{ name: 'mel', datatype: 'FP32', shape: [-1, SPECTRA, FRAME.bands], as: 'mel' }],
    graph: [
      { name: 'frames', transform: 'window', inputs: 'sound', rows: FRAME.size, hop: FRAME.hop },
      { name: 'spectra', transform: 'spectrum', inputs: 'frames', fft: FRAME.fft },
      { name: 'bands', transform: 'mel', inputs: 'spectra', rate: FRAME.rate, bands: FRAME.bands },
      { name: 'mel', transform: 'log', inputs: 'bands', floor: 1e-6 },
    ],
  }));
  const stage = (name: string, sizes: number[], more: Yaml): void =>
    bundle(models, name, (file) => ({
      runtime: 'onnx',
      file: 'model.onnx',
      ...file('model.onnx', sizes),
      rows: sizes[0],
      inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, sizes[0]], from: 'window' }],
      outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, sizes.at(-1)], as: name }],
      ...more,
    }));
  stage('embedding', [4 * SPECTRA * FRAME.bands, 8], {});
  stage('sounds', [3 * 8, 3], {
    postprocess: [{ output: 'sounds', step: 'argmax', labels: KINDS, as: 'label' }],
  });
}

/** Log-mel spectra by the definition: frames of the whole signal, zeros before it, a plain Fourier sum. */
function spectraOf(signal: Float32Array): number[][] {
  const weights = melWeights(FRAME.fft / 2 + 1, {
    transform: 'mel',
    low: 0,
    scale: 'htk',
    area: false,
    ...FRAME,
  });
  const spectra: number[][] = [];
  for (let end = FRAME.hop; end <= signal.length; end += FRAME.hop) {
    const power = Array.from({ length: FRAME.fft / 2 + 1 }, (_, k) => {
      let [re, im] = [0, 0];
      for (let i = 0; i < FRAME.size; i++) {
        const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FRAME.size);
        const value = (signal[end - FRAME.size + i] ?? 0) * hann;
        re += value * Math.cos((2 * Math.PI * k * i) / FRAME.fft);
        im -= value * Math.sin((2 * Math.PI * k * i) / FRAME.fft);
      }
      return re * re + im * im;
    });
    spectra.push(
      weights.map((band) =>
        Math.log(
          Math.max(
            1e-6,
            band.reduce((sum, w, k) => sum + w * power[k]!, 0),
          ),
        ),
      ),
    );
  }
  return spectra;
}

/** Runs of `count` elements, a new one each `every`. */
const sliding = <T>(list: readonly T[], count: number, every: number): T[][] =>
  Array.from({ length: Math.max(0, Math.floor((list.length - count) / every) + 1) }, (_, i) =>
    list.slice(i * every, i * every + count),
  );

test('JPEGs over HTTP and MQTT to a classifier and a detector; sound through three stages', async () => {
  const folder = temporaryFolder();
  const models = join(folder, 'data', 'models');
  cameraBundles(models);
  soundBundles(models);
  const ports = await freePorts();
  writeConfig(folder, ports, {
    gateway: { name: 'gw', dataDir: './data' },
    limits: { maxPacketBytes: '1MiB' },
    streams: [
      { id: 'camera', decode: 'bytes' },
      { id: 'microphone', decode: 'raw', raw: { type: 'float32' } },
    ],
    pipelines: [
      { id: 'kind', from: 'camera', window: { count: 1 }, model: 'kinds' },
      { id: 'found', from: 'camera', window: { count: 1 }, model: 'boxes' },
      { id: 'spectrogram', from: 'microphone', window: { samples: CHUNK }, model: 'spectrogram' },
      { id: 'embedding', from: 'spectrogram', window: { count: 4, every: 2 }, model: 'embedding' },
      { id: 'sounds', from: 'embedding', window: { count: 3, every: 1 }, model: 'sounds' },
    ],
  });
  const gateway = await startGatewayProcess(folder, ports);
  onTestFinished(() => gateway.kill());
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${ports.mqtt}`);
  onTestFinished(() => client.endAsync(true));
  const results: ResultDocument[] = [];
  client.on('message', (_, payload) => void results.push(JSON.parse(payload.toString()) as ResultDocument));
  await client.subscribeAsync('aimx/result/#', { qos: 1 });
  const of = (pipeline: string): ResultDocument[] => results.filter((result) => result.pipeline === pipeline);

  const noise = Buffer.from(Uint8Array.from({ length: 96 * 48 * 3 }, (_, i) => (i * i * 31) >>> 5));
  const jpeg = await sharp(noise, { raw: { width: 96, height: 48, channels: 3 } })
    .jpeg()
    .toBuffer();
  const url = `http://127.0.0.1:${ports.http}`;
  const posted = await fetch(`${url}/s/camera/gate`, {
    method: 'POST',
    headers: { 'content-type': 'image/jpeg' },
    body: new Uint8Array(jpeg),
  });
  expect(posted.status).toBe(204);
  await client.publishAsync('aimx/s/camera/yard', jpeg, { qos: 1 });
  const signal = Float32Array.from({ length: CHUNK * 10 }, (_, i) => Math.sin(i * i * 2e-5) * 0.7);
  for (let at = 0; at < signal.length; at += MESSAGE)
    await client.publishAsync('aimx/s/microphone/m', Buffer.from(signal.slice(at, at + MESSAGE).buffer), {
      qos: 1,
    });

  await until(() => of('kind').length === 2 && of('found').length === 2, 'the cameras', 20_000);
  const grey = async (height: number): Promise<number[]> => {
    const small = sharp(jpeg).toColourspace('b-w').resize(8, height, { fit: 'fill', kernel: 'linear' });
    return Array.from(await small.raw().toBuffer(), (value) => value / 255);
  };
  const [logits] = await mlp([64, 3], [await grey(8)]);
  const sum = logits!.reduce((total, value) => total + Math.exp(value), 0);
  const wanted = logits!.map((value) => Math.exp(value) / sum);
  for (const { outputs } of of('kind')) {
    for (const [i, p] of (outputs.probabilities as number[]).entries()) expect(p).toBeCloseTo(wanted[i]!, 5);
    expect(outputs.kind).toBe(KINDS[wanted.indexOf(Math.max(...wanted))]);
  }
  // 96 × 48 in a letterbox of 8 × 8: four rows of picture between two of background above and below.
  const box = [
    ...new Array<number>(16).fill(114 / 255),
    ...(await grey(4)),
    ...new Array<number>(16).fill(114 / 255),
  ];
  const [scores] = await mlp([64, 6], [box]);
  const best = Math.max(...scores!);
  for (const { outputs } of of('found')) {
    const found = outputs as { scores: number[]; labels: string[]; boxes: number[] };
    expect(found.scores).toHaveLength(6);
    expect(found.scores[0]).toBeCloseTo(1 / (1 + Math.exp(-best)), 5);
    expect(found.labels[0]).toBe(KINDS[scores!.indexOf(best) % 3]);
    expect(found.boxes).toHaveLength(24);
    expect(found.boxes.every((v, i) => v >= 0 && v <= (i % 2 === 0 ? 96 : 48))).toBe(true);
  }

  const encoded = encodeRequest([['photo', { datatype: 'BYTES', shape: [1], data: [jpeg] }]], ['kind'], true);
  const answered = await fetch(`${url}/v2/models/kinds/infer`, {
    method: 'POST',
    headers: encoded.headers,
    body: new Uint8Array(encoded.body),
  });
  const length = answered.headers.get(HEADER_LENGTH);
  const { kind } = decodeAnswer(
    new Uint8Array(await answered.arrayBuffer()),
    length === null ? undefined : Number(length),
  );
  expect(new TextDecoder().decode((kind!.data as readonly Uint8Array[])[0])).toBe(
    of('kind')[0]!.outputs.kind,
  );

  const mels = sliding(spectraOf(signal), SPECTRA, SPECTRA).map((chunk) => chunk.flat());
  const embeddings = await mlp(
    [4 * SPECTRA * FRAME.bands, 8],
    sliding(mels, 4, 2).map((run) => run.flat()),
  );
  const labels = await mlp(
    [24, 3],
    sliding(embeddings, 3, 1).map((run) => run.flat()),
  );
  expect([mels.length, embeddings.length, labels.length]).toEqual([10, 4, 2]);
  await until(() => of('sounds').length === labels.length, 'the last stage', 20_000);
  const close = (found: unknown, expected: readonly number[]): void => {
    for (const [i, value] of (found as number[]).entries()) expect(value).toBeCloseTo(expected[i]!, 3);
  };
  for (const [i, { outputs }] of of('spectrogram').entries()) close(outputs.mel, mels[i]!);
  for (const [i, { outputs }] of of('embedding').entries()) close(outputs.embedding, embeddings[i]!);
  for (const [i, { outputs }] of of('sounds').entries()) {
    close(outputs.sounds, labels[i]!);
    expect(outputs.label).toBe(KINDS[labels[i]!.indexOf(Math.max(...labels[i]!))]);
  }

  await client.endAsync(true);
  expect(await gateway.stop()).toBe(0);
  const { config } = loadConfig(join(folder, 'gateway.yaml'));
  const parts = { clock: systemClock(), log: recordingLog(), alarms: recordingAlarms() };
  const store = openStore({ dir: config.gateway.dataDir, durability: 'normal', modules: [], ...parts });
  const streams = openReadingStreams(config, store);
  await store.start(new AbortController().signal);
  onTestFinished(() => store.stop());
  const kept = await contents(streams.get('camera')!);
  expect(kept.map(({ device }) => device)).toEqual(['gate', 'yard']);
  for (const { value } of kept) {
    expect(value.fields).toEqual(['payload']);
    expect(Buffer.compare((value.values[0] as readonly Uint8Array[])[0]!, jpeg)).toBe(0);
  }
}, 60_000);
