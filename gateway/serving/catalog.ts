import type { GatewayError } from '../errors.ts';
import type { Inference, ModelInfo } from '../ports/inference.ts';
import type { ServingCatalog } from '../ports/serving.ts';
import type { Datatype, TensorSpec } from '../ports/tensor.ts';
import type { Statistics } from './statistics.ts';

/** One installed version of a model, whether it serves or not. */
export interface Installed {
  readonly name: string;
  readonly version: string;
  readonly runtime: string;
  readonly reason?: GatewayError;
}

export interface CatalogParts {
  readonly version: string;
  readonly inference: Inference;
  readonly list: () => readonly Installed[];
  readonly statistics: Statistics;
  /** Whether the gateway takes requests now. */
  readonly ready: () => boolean;
}

const EXTENSIONS = [
  'binary_tensor_data',
  'classification',
  'model_configuration',
  'model_repository(index)',
  'parameters',
  'schedule_policy',
  'sequence',
  'sequence(string_id)',
  'statistics',
];

/** Triton's names of datatypes in model configurations. */
const CONFIG_TYPE: Readonly<Partial<Record<Datatype, string>>> = { BYTES: 'TYPE_STRING' };

const reference = (name: string, version: string | undefined): string =>
  version === undefined ? name : `${name}@${version}`;

/** Metadata in the shapes of the protocol and of Triton's extensions. */
export class Catalog implements ServingCatalog {
  readonly #parts: CatalogParts;

  constructor(parts: CatalogParts) {
    this.#parts = parts;
  }

  server(): object {
    return { name: 'aimx-gateway', version: this.#parts.version, extensions: EXTENSIONS };
  }

  ready(): boolean {
    return this.#parts.ready();
  }

  models(): object {
    return { models: [...new Set(this.#parts.list().map(({ name }) => name))].sort() };
  }

  index(onlyReady: boolean): object[] {
    return this.#parts
      .list()
      .map(({ name, version, reason }) => {
        const ready = !reason && this.#parts.inference.ready(`${name}@${version}`);
        return {
          name,
          version,
          state: ready ? 'READY' : 'UNAVAILABLE',
          reason: ready ? '' : (reason?.message ?? 'not serving'),
        };
      })
      .filter(({ state }) => !onlyReady || state === 'READY');
  }

  model(name: string, version?: string): object {
    const info = this.#info(name, version);
    return {
      name: info.name,
      versions: version === undefined ? this.#parts.inference.versions(name) : [info.version],
      platform: this.#platform(info),
      inputs: info.inputs,
      outputs: info.outputs,
      parameters: { model_sha256: info.sha256, max_batch_size: info.maxBatch, sequence: info.recurrent },
    };
  }

  modelReady(name: string, version?: string): boolean {
    this.#info(name, version);
    return this.ready() && this.#parts.inference.ready(reference(name, version));
  }

  config(name: string, version?: string): object {
    const info = this.#info(name, version);
    // The batch dimension is left out of `dims` where there is one.
    const batched = info.maxBatch > 1 && info.inputs.every(({ shape }) => shape[0] === -1);
    const tensor = (spec: TensorSpec): object => ({
      name: spec.name,
      data_type: CONFIG_TYPE[spec.datatype] ?? `TYPE_${spec.datatype}`,
      dims: batched ? spec.shape.slice(1) : spec.shape,
    });
    return {
      name: info.name,
      platform: this.#platform(info),
      backend: this.#installed(info)?.runtime ?? '',
      version_policy: { specific: { versions: [info.version] } },
      max_batch_size: batched ? info.maxBatch : 0,
      input: info.inputs.map(tensor),
      output: info.outputs.map(tensor),
      ...(info.recurrent ? { sequence_batching: {} } : {}),
    };
  }

  statistics(name?: string, version?: string): object {
    if (name !== undefined) this.#info(name, version);
    const stats = this.#parts
      .list()
      .filter((one) => (name === undefined || one.name === name) && (version ?? one.version) === one.version)
      .map((one) => this.#figures(one.name, one.version));
    return { model_stats: stats };
  }

  #figures(name: string, version: string): object {
    const { success, fail, queueUs, computeUs, last } = this.#parts.statistics.of(name, version);
    const duration = (count: number, us: number): object => ({ count, ns: Math.round(us * 1000) });
    return {
      name,
      version,
      last_inference: last,
      inference_count: success,
      execution_count: success,
      inference_stats: {
        success: duration(success, queueUs + computeUs),
        fail: duration(fail, 0),
        queue: duration(success, queueUs),
        compute_input: duration(success, 0),
        compute_infer: duration(success, computeUs),
        compute_output: duration(success, 0),
        cache_hit: duration(0, 0),
        cache_miss: duration(0, 0),
      },
      batch_stats: [],
    };
  }

  #info(name: string, version: string | undefined): ModelInfo {
    return this.#parts.inference.model(reference(name, version));
  }

  #installed(info: ModelInfo): Installed | undefined {
    return this.#parts.list().find((one) => one.name === info.name && one.version === info.version);
  }

  #platform(info: ModelInfo): string {
    const runtime = this.#installed(info)?.runtime ?? 'onnx';
    return runtime === 'onnx' ? 'onnxruntime_onnx' : runtime;
  }
}
