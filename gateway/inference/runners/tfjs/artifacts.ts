import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { io } from '@tensorflow/tfjs-core';
import { GatewayError } from '../../../errors.ts';

/** A `model.json` as far as it is read here. */
interface ModelJson {
  readonly format?: string;
  readonly modelTopology?: object;
  readonly signature?: object;
  readonly userDefinedMetadata?: { readonly [key: string]: object };
  readonly modelInitializer?: object;
  readonly weightsManifest?: readonly {
    readonly paths?: readonly unknown[];
    readonly weights?: io.WeightsManifestEntry[];
  }[];
}

/** A file name beside the model.json: never a path. */
const SHARD = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** Names of the weight files of a `model.json`. Throws MODEL_LOAD when they are no names of files beside it. */
export function shardsOf(json: Pick<ModelJson, 'weightsManifest'>): string[] {
  return (json.weightsManifest ?? []).flatMap(({ paths }) =>
    (paths ?? []).map((path) => {
      if (typeof path === 'string' && SHARD.test(path)) return path;
      throw new GatewayError('MODEL_LOAD', `weights in ${JSON.stringify(path)?.slice(0, 100)}`, {
        expected: 'file names beside the model.json',
      });
    }),
  );
}

/** Reads a `model.json`. Throws MODEL_FILE or MODEL_LOAD. */
export function readModelJson(file: string): ModelJson {
  const text = readBytes(file, 'MODEL_FILE');
  try {
    const json = JSON.parse(text.toString('utf8')) as ModelJson | null;
    if (typeof json === 'object' && json?.modelTopology) return json;
  } catch (error) {
    throw new GatewayError('MODEL_LOAD', `${file}: ${(error as Error).message}`, { cause: error });
  }
  throw new GatewayError('MODEL_LOAD', `${file}: no modelTopology, so it is no TensorFlow.js model`);
}

/** Everything a model is made of. Throws MODEL_FILE or MODEL_LOAD. */
export function readArtifacts(file: string): { artifacts: io.ModelArtifacts; graph: boolean } {
  const json = readModelJson(file);
  const folder = dirname(file);
  const weightSpecs = (json.weightsManifest ?? []).flatMap(({ weights }) => weights ?? []);
  const shards = shardsOf(json).map((name) => readBytes(join(folder, name), 'MODEL_LOAD'));
  const weights = new Uint8Array(Buffer.concat(shards));
  const { modelTopology, signature, userDefinedMetadata, modelInitializer } = json;
  return {
    graph: json.format === 'graph-model' || 'node' in modelTopology!,
    artifacts: {
      modelTopology: modelTopology!,
      weightSpecs,
      weightData: weights.buffer,
      ...(signature ? { signature } : {}),
      ...(userDefinedMetadata ? { userDefinedMetadata } : {}),
      ...(modelInitializer ? { modelInitializer } : {}),
    },
  };
}

function readBytes(file: string, code: 'MODEL_FILE' | 'MODEL_LOAD'): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new GatewayError(code, `${file}: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
}
