import { readFileSync } from 'node:fs';

/** Manifest of the speech detector: 512 new samples after 64 of context, and a state of its own for each device. */
export const SILERO = {
  features: [],
  rows: 512,
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
export function samplesOf(file: string): Float32Array {
  const bytes = readFileSync(file);
  const start = bytes.indexOf('data') + 8;
  const pcm = new Int16Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length));
  return Float32Array.from(pcm, (value) => value / 32768);
}
