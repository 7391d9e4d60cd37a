import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createOnnxRunner } from '../../gateway/inference/runners/onnx.ts';
import { loadRemote, type RemotePlan } from '../../gateway/inference/runners/remote/index.ts';
import type { LoadedModel } from '../../gateway/ports/model-runner.ts';
import type { Tensor } from '../../gateway/ports/tensor.ts';
import { loadedModelContract, onnxCases } from '../contracts/model-runner.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { serveModel } from './oip-server.ts';
import { onnxModel } from './small-model.ts';

const plan = (url: string, rest: Partial<RemotePlan> = {}): RemotePlan => ({
  url,
  model: 'm',
  timeout: 20_000,
  connections: 2,
  binary: true,
  ...rest,
});
const remote = (url: string, rest: Partial<RemotePlan> = {}): Promise<LoadedModel> =>
  loadRemote(plan(url, rest), { servers: [] });

const onnx = (file: string): Promise<LoadedModel> => createOnnxRunner().load(file);
const small = (): Promise<LoadedModel> => onnx(onnxModel.write(temporaryFolder()));
const row: Record<string, Tensor> = {
  input: { datatype: 'FP32', shape: [1, 4], data: Float32Array.of(1, 2, 3, 4) },
};

loadedModelContract(
  'remote runner, binary tensors',
  async () => remote((await serveModel(await small())).url),
  onnxModel,
);
loadedModelContract(
  'remote runner, JSON',
  async () => remote((await serveModel(await small(), { binary: false })).url),
  onnxModel,
);
onnxCases('remote runner', async (file) => remote((await serveModel(await onnx(file))).url));

test('64-bit integers are exact in JSON too', async () => {
  const wide = BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n);
  const specs = [{ name: 'x', datatype: 'INT64' as const, shape: [3] }];
  const echo = {
    inputs: specs,
    outputs: specs,
    run: async (given: Record<string, Tensor>) => given,
    dispose: async () => {},
  };
  const server = await serveModel(echo as unknown as LoadedModel, { binary: false });
  const model = await remote(server.url);
  const { x } = await model.run({ x: { datatype: 'INT64', shape: [3], data: wide } });
  expect(x!.data).toEqual(wide);
  expect(server.requests.at(-1)!.type).toBe('application/json');
});

test('connections are used again', async () => {
  const server = await serveModel(await small());
  const model = await remote(server.url);
  for (let i = 0; i < 20; i++) await model.run(row);
  expect(server.connections).toBe(1);
  await model.dispose();
});

test('a server that is not there, hangs, refuses or talks nonsense is told apart', async () => {
  await expect(remote('http://127.0.0.1:9', { timeout: 300 })).rejects.toMatchObject({
    code: 'REMOTE_UNAVAILABLE',
  });
  const server = await serveModel(await small());
  await expect(remote(server.url, { model: 'n' })).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
  const patient = await remote(server.url, { timeout: 20_000 });
  const hasty = await remote(server.url, { timeout: 1000 });
  const codeWhen = async (intercept: typeof server.intercept, model = patient): Promise<unknown> => {
    server.intercept = intercept;
    return await model.run(row).then(
      () => 'answered',
      (error: { code: unknown }) => error.code,
    );
  };
  expect(await codeWhen(() => true, hasty)).toBe('REMOTE_UNAVAILABLE');
  expect(await codeWhen((_, response) => !!response.writeHead(401).end())).toBe('REMOTE_REFUSED');
  expect(await codeWhen((_, response) => !!response.writeHead(500).end('{"error":"x"}'))).toBe(
    'REMOTE_UNAVAILABLE',
  );
  expect(await codeWhen((_, response) => !!response.writeHead(400).end('{"error":"bad"}'))).toBe('MODEL_RUN');
  expect(await codeWhen((_, response) => !!response.writeHead(200).end('<html>'))).toBe('REMOTE_ANSWER');
  expect(await codeWhen((_, response) => !!response.writeHead(200).end('{"outputs":[]}'))).toBe(
    'REMOTE_ANSWER',
  );
  const huge = '{"outputs":[{"name":"output","datatype":"FP32","shape":[1e9],"data":[1]}]}';
  expect(await codeWhen((_, response) => !!response.writeHead(200).end(huge))).toBe('REMOTE_ANSWER');
  let failures = 2;
  const flaky: typeof server.intercept = (request) => {
    if (failures-- <= 0) return false;
    request.socket.destroy();
    return true;
  };
  expect(await codeWhen(flaky)).toBe('answered');
  expect(await codeWhen(() => false)).toBe('answered');
});

test('the token goes to the server it was given for, from a private file, and nowhere else', async () => {
  const server = await serveModel(await small());
  const tokenFile = join(temporaryFolder(), 'token');
  writeFileSync(tokenFile, 'first\n', { mode: 0o600 });
  const servers = [{ url: `${server.url}/`, tokenFile }];
  const model = await loadRemote(plan(server.url), { servers });
  await model.run(row);
  writeFileSync(tokenFile, 'second\n');
  await model.run(row);
  expect(server.requests.map(({ token }) => token)).toEqual([
    'Bearer first',
    'Bearer first',
    'Bearer first',
    'Bearer second',
  ]);
  chmodSync(tokenFile, 0o644);
  await expect(model.run(row)).rejects.toMatchObject({ code: 'KEYSTORE_MODE' });
  const other = await serveModel(await small());
  await loadRemote(plan(other.url), { servers });
  expect(other.requests.every(({ token }) => token === undefined)).toBe(true);
});
