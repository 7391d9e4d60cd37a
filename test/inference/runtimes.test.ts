import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { createOnnxRunner } from '../../gateway/inference/runners/onnx.ts';
import type { Tensor } from '../../gateway/ports/tensor.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { CARD } from './bundles.ts';
import { serveModel } from './oip-server.ts';
import { startInference } from './service.ts';
import { onnxModel } from './small-model.ts';
import { dense, writeGraphModel } from './tfjs-models.ts';

/** Every runtime through the real model host. */

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

const FACE = {
  inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 4], from: 'request' }],
  outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, 3] }],
};

/** A bundle folder of whatever runtime. */
function bundle(dir: string, name: string, make: (folder: string) => Record<string, unknown>): void {
  const folder = join(dir, name);
  mkdirSync(folder, { recursive: true });
  const manifest = { name, version: 1, card: CARD, ...FACE, ...make(folder) };
  writeFileSync(join(folder, 'model.yaml'), stringify(manifest));
}

const remoteBundle = (dir: string, url: string): void =>
  bundle(dir, 'far', () => ({ runtime: 'remote', remote: { url, model: 'm', timeout: '9s' } }));

const X = [1, 2, 3, 4];
const call = (timeout = 20_000) => ({
  inputs: { input: { datatype: 'FP32', shape: [1, 4], data: Float32Array.from(X) } as Tensor },
  priority: 'interactive' as const,
  account: 'test',
  deadline: timeout,
});

test('tfjs and a graph, checked by the hashes of all their files', async () => {
  const dir = temporaryFolder();
  const tfjs = (folder: string): Record<string, unknown> => {
    const file = writeGraphModel(folder);
    const shards = ['weights-1of2.bin', 'weights-2of2.bin'];
    return {
      runtime: 'tfjs',
      file: 'model.json',
      sha256: sha256(file),
      files: shards.map((name) => ({ file: name, sha256: sha256(join(folder, name)) })),
    };
  };
  bundle(dir, 'near', tfjs);
  bundle(dir, 'changed', (folder) => {
    const manifest = tfjs(folder);
    writeFileSync(join(folder, 'weights-2of2.bin'), new Uint8Array(20));
    return manifest;
  });
  bundle(dir, 'unlisted', (folder) => ({ ...tfjs(folder), files: [] }));
  bundle(dir, 'chain', (folder) => {
    const file = onnxModel.write(folder);
    return {
      runtime: 'graph',
      outputs: [{ name: 'twice', datatype: 'FP32', shape: [-1, 3], as: 'output' }],
      graph: [
        { name: 'net', model: 'model.onnx', sha256: sha256(file), inputs: { input: 'input' } },
        { name: 'twice', transform: 'scale', factor: 2, inputs: 'net' },
      ],
    };
  });
  const names = ['near', 'chain', 'changed', 'unlisted'];
  const { inference } = await startInference(dir, { preload: names });
  const outputOf = async (name: string): Promise<unknown> => {
    const answer = await inference.infer(name, call());
    return answer.ok ? Array.from(answer.outputs.output!.data as Float32Array) : answer.message;
  };
  const near = (await outputOf('near')) as number[];
  expect(near.map((v) => v.toFixed(4))).toEqual(dense(X).map((v) => v.toFixed(4)));
  const chain = (await outputOf('chain')) as number[];
  expect(chain.map((v) => v.toFixed(4))).toEqual(onnxModel.compute(X).map((v) => (v * 2).toFixed(4)));
  expect(await outputOf('changed')).toContain('weights-2of2.bin: sha256 is');
  expect(await outputOf('unlisted')).toContain('weights-1of2.bin');
});

test('a model on a server: waits for it, tells that it is gone, and holds up no other model', async () => {
  const dir = temporaryFolder();
  const model = await createOnnxRunner().load(onnxModel.write(temporaryFolder()));
  const server = await serveModel(model);
  const { port } = new URL(server.url);
  remoteBundle(dir, server.url);
  bundle(dir, 'here', (folder) => {
    const file = onnxModel.write(folder);
    return { runtime: 'onnx', file: 'model.onnx', sha256: sha256(file) };
  });
  const { inference, alarms } = await startInference(dir, { preload: ['far', 'here'] });
  const first = await inference.infer('far', call());
  if (!first.ok) expect.fail(first.message);
  const found = Array.from(first.outputs.output!.data as Float32Array);
  expect(found.map((v) => v.toFixed(4))).toEqual(onnxModel.compute(X).map((v) => v.toFixed(4)));

  let held: (() => void) | undefined;
  server.intercept = (_, response) => {
    held = () => response.writeHead(503).end();
    server.intercept = (_, next) => !!next.writeHead(503).end();
    return true;
  };
  const slow = inference.infer('far', call());
  await until(() => held !== undefined, 'the call to reach the server');
  expect((await inference.infer('here', call())).ok).toBe(true);
  held!();
  const late = await slow;
  expect(late.ok ? 'answered' : late.code).toBe('REMOTE_UNAVAILABLE');
  const unreachable = (): boolean =>
    alarms.active().some(({ kind }) => kind === `remote-127.0.0.1-${port}-unreachable`);
  expect(unreachable()).toBe(true);
  server.intercept = () => false;
  expect((await inference.infer('far', call())).ok).toBe(true);
  expect(unreachable()).toBe(false);
});
