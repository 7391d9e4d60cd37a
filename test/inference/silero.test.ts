import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createInference } from '../../gateway/inference/index.ts';
import type { ModelState, TensorRequest } from '../../gateway/ports/inference.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { testData } from '../support/data.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { writeBundle } from './bundles.ts';
import { runItems, startInference } from './service.ts';

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

/** Samples of a 16-bit PCM WAV file with a 44-byte header, as -1…1. */
function samplesOf(file: string): Float32Array {
  const bytes = readFileSync(file);
  const start = bytes.indexOf('data') + 8;
  const pcm = new Int16Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length));
  return Float32Array.from(pcm, (value) => value / 32768);
}

test.skipIf(!data)('a recurrent model gives each of two interleaved devices its own reference', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, {
    name: 'silero-vad',
    version: '5',
    model: `${data}/silero_vad_16k_op15.onnx`,
    manifest: MANIFEST,
  });
  const inference = createInference({
    modelDirs: [dir],
    clock: systemClock(),
    log: recordingLog(),
    alarms: recordingAlarms(),
    preload: ['silero-vad'],
  });
  await inference.start(new AbortController().signal);
  try {
    const speech = samplesOf(`${data}/speech-10s.wav`);
    const expected: number[] = JSON.parse(readFileSync(`${data}/speech-10s.probabilities.json`, 'utf8'));
    // The second device lags by 37 frames, so that the two never have the same state.
    const lag = 37;
    const states: (ModelState | undefined)[] = [undefined, undefined];
    const found: number[][] = [[], []];
    const frame = (i: number, device: number) => ({
      window: speech.subarray(i * FRAME, (i + 1) * FRAME),
      rows: FRAME,
      columns: 1,
      state: states[device],
    });
    for (let step = 0; step < expected.length + lag; step++) {
      const turn = [0, 1].filter((d) => step - d * lag >= 0 && step - d * lag < expected.length);
      const answers = await runItems(
        inference,
        'silero-vad@5',
        turn.map((d) => frame(step - d * lag, d)),
      );
      turn.forEach((d, i) => {
        const answer = answers[i]!;
        if (!answer.ok) throw new Error(answer.message);
        states[d] = answer.state;
        found[d]!.push(answer.outputs.speech as number);
      });
    }
    for (const device of found) {
      expect(device).toHaveLength(expected.length);
      const worst = Math.max(...device.map((value, i) => Math.abs(value - expected[i]!)));
      expect(worst).toBeLessThanOrEqual(1e-4);
    }
    expect(inference.stats().models['silero-vad@5']?.largestBatch).toBe(2);
    expect(inference.model('silero-vad')).toMatchObject({ version: '5', recurrent: true, rows: FRAME });
  } finally {
    await inference.stop();
  }
});

test.skipIf(!data)('sequences of calls keep their state, each its own, and end', async () => {
  const dir = temporaryFolder();
  writeBundle(dir, {
    name: 'silero-vad',
    version: '5',
    model: `${data}/silero_vad_16k_op15.onnx`,
    manifest: MANIFEST,
  });
  const { inference } = await startInference(dir, { preload: ['silero-vad'] });
  const speech = samplesOf(`${data}/speech-10s.wav`);
  const expected: number[] = JSON.parse(readFileSync(`${data}/speech-10s.probabilities.json`, 'utf8'));
  const { inputs, outputs } = inference.model('silero-vad');
  expect(inputs).toEqual([{ name: 'input', datatype: 'FP32', shape: [-1, FRAME, 1] }]);
  expect(outputs).toEqual([{ name: 'speech', datatype: 'FP32', shape: [-1, 1] }]);
  const call = (i: number, sequence: TensorRequest['sequence'], account = 'consumer/a') =>
    inference.infer('silero-vad', {
      inputs: {
        input: {
          datatype: 'FP32',
          shape: [1, FRAME, 1],
          data: speech.subarray(i * FRAME, (i + 1) * FRAME),
        },
      },
      priority: 'interactive',
      account,
      ...(sequence ? { sequence } : {}),
    });
  const part = (id: string, i: number, frames: number) => ({ id, start: i === 0, end: i === frames - 1 });
  const play = async (id: string, account: string, frames: number): Promise<number[]> => {
    // All at once: they wait for each other.
    const calls = Array.from({ length: frames }, (_, i) => i);
    const found: number[] = [];
    for (let from = 0; from < frames; from += 32) {
      const answers = await Promise.all(
        calls.slice(from, from + 32).map((i) => call(i, part(id, i, frames), account)),
      );
      for (const answer of answers) {
        if (!answer.ok) throw new Error(answer.message);
        found.push((answer.outputs.speech!.data as Float32Array)[0]!);
      }
    }
    return found;
  };
  const [first, second, other] = await Promise.all([
    play('1', 'consumer/a', expected.length),
    play('2', 'consumer/a', expected.length),
    play('1', 'consumer/b', 200),
  ]);
  for (const found of [first, second, other]) {
    const worst = Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)));
    expect(worst).toBeLessThanOrEqual(1e-4);
  }
  // Ended, never begun, or of another account: nothing is known of it.
  for (const id of ['1', '9'])
    expect(await call(5, { id, start: false, end: false })).toMatchObject({
      ok: false,
      code: 'SEQUENCE_UNKNOWN',
    });
  expect(await call(0, { id: '5', start: true, end: false })).toMatchObject({ ok: true });
  expect(await call(1, { id: '5', start: false, end: false }, 'consumer/b')).toMatchObject({ ok: false });
  const bad = { id: '5', start: false, end: false };
  const short = await inference.infer('silero-vad', {
    inputs: { input: { datatype: 'FP32', shape: [1, 5, 1], data: new Float32Array(5) } },
    priority: 'interactive',
    account: 'consumer/a',
    sequence: bad,
  });
  expect(short).toMatchObject({ ok: false, code: 'MODEL_SHAPE' });
  // What failed has not changed the state.
  const next = await call(1, bad);
  if (!next.ok) throw new Error(next.message);
  expect(Math.abs((next.outputs.speech!.data as Float32Array)[0]! - expected[1]!)).toBeLessThanOrEqual(1e-4);
  // Without a sequence each call begins anew.
  const alone = await call(0, undefined);
  if (!alone.ok) throw new Error(alone.message);
  expect(Math.abs((alone.outputs.speech!.data as Float32Array)[0]! - expected[0]!)).toBeLessThanOrEqual(1e-4);
});
