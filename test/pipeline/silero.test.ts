import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { createInference } from '../../gateway/inference/index.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { writeBundle } from '../inference/bundles.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { testData } from '../support/data.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { append, contents, openedStream, parseConfig, startPipelines, storeFor } from './harness.ts';

const data = testData('silero-vad');
const FRAME = 512;

const MANIFEST = {
  features: [],
  rows: FRAME,
  inputs: [
    { name: 'input', datatype: 'FP32', shape: [-1, 576], from: 'window' },
    { name: 'state', datatype: 'FP32', shape: [2, -1, 128], from: 'state' },
    { name: 'sr', datatype: 'INT64', shape: [], from: 'constant' },
  ],
  outputs: [
    { name: 'output', datatype: 'FP32', shape: [-1, 1], as: 'speech' },
    { name: 'stateN', datatype: 'FP32', shape: [2, -1, 128] },
  ],
  constants: [{ name: 'sr', datatype: 'INT64', shape: [], data: [16000] }],
  state: [{ input: 'state', output: 'stateN', shape: [2, 1, 128], batchAxis: 1 }],
  preprocess: [{ step: 'context', rows: 64 }],
};

const CONFIG = parseConfig({
  streams: [{ id: 'sound', decode: 'raw', raw: { type: 'int16' }, fields: { value: { type: 'array' } } }],
  pipelines: [{ id: 'speech', from: 'sound', window: { count: 1 }, model: 'silero-vad@5' }],
});

test.skipIf(!data)('speech of two interleaved devices, with a restart in the middle', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, {
    name: 'silero-vad',
    version: '5',
    model: `${data}/silero_vad_16k_op15.onnx`,
    manifest: MANIFEST,
  });
  const clock = systemClock();
  const parts = { modelDirs: [dir], clock, log: recordingLog(), alarms: recordingAlarms() };
  const inference = createInference({ ...parts, preload: ['silero-vad'] });
  await inference.start(new AbortController().signal);
  onTestFinished(() => inference.stop());
  const opened = await storeFor(temporaryFolder(), CONFIG);
  onTestFinished(() => opened.store.stop());

  const wav = readFileSync(`${data}/speech-10s.wav`);
  const start = wav.indexOf('data') + 8;
  const pcm = new Int16Array(wav.buffer.slice(wav.byteOffset + start, wav.byteOffset + wav.length));
  const reference: number[] = JSON.parse(readFileSync(`${data}/speech-10s.probabilities.json`, 'utf8'));
  const results = () => openedStream(opened.store, '$result/speech');
  const lag = 37;
  const frames = reference.length + lag;
  let pipelines = await startPipelines(CONFIG, opened, inference);
  for (let step = 0; step < frames; step++) {
    const turn = [0, 1].filter((d) => step >= d * lag && step - d * lag < reference.length);
    await append(
      opened.readingStreams.get('sound')!,
      turn.map((d) => {
        const i = step - d * lag;
        const frame = Float32Array.from(pcm.subarray(i * FRAME, (i + 1) * FRAME), (value) => value / 32768);
        return { device: `mic-${d}`, time: i, flags: 0, value: { fields: ['value'], values: [frame] } };
      }),
    );
    if (step === 150) {
      await pipelines.stop();
      pipelines = await startPipelines(CONFIG, opened, inference);
    }
  }
  await until(() => results().head === 2 * reference.length, 'a result for each frame', 25_000);
  await pipelines.stop();
  const found: number[][] = [[], []];
  for (const { device, value } of await contents(results())) {
    found[Number(device.slice(-1))]!.push(JSON.parse(value).outputs.speech);
  }
  for (const probabilities of found) {
    expect(probabilities).toHaveLength(reference.length);
    const worst = Math.max(...probabilities.map((p, i) => Math.abs(p - reference[i]!)));
    expect(worst).toBeLessThan(1e-4);
  }
});
