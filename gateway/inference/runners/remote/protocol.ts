import { GatewayError } from '../../../errors.ts';
import type { Tensor, TensorSpec } from '../../../ports/tensor.ts';
import { isDatatype } from '../../../serving/protocol/datatypes.ts';
import { parseJson } from '../../../serving/protocol/json-text.ts';
import { bodyOf, readRequest } from '../../../serving/protocol/request.ts';
import { binarySize, writeBinary } from '../../../serving/protocol/tensor-binary.ts';
import { jsonOfData } from '../../../serving/protocol/tensor-json.ts';

/** The client's side of the Open Inference Protocol v2: requests out, answers and metadata in. */

export interface Encoded {
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export const HEADER_LENGTH = 'inference-header-content-length';

/** A request for all `outputs`, with tensors as bytes behind the JSON where the server takes them. */
export function encodeRequest(
  inputs: readonly (readonly [name: string, tensor: Tensor])[],
  outputs: readonly string[],
  binary: boolean,
): Encoded {
  const given = inputs.map(([name, tensor]) => {
    const head = `{"name":${JSON.stringify(name)},"datatype":"${tensor.datatype}","shape":[${tensor.shape.join(',')}]`;
    return binary
      ? `${head},"parameters":{"binary_data_size":${binarySize(tensor)}}}`
      : `${head},"data":${jsonOfData(name, tensor)}}`;
  });
  const asked = outputs.map(
    (name) => `{"name":${JSON.stringify(name)}${binary ? ',"parameters":{"binary_data":true}' : ''}}`,
  );
  const json = Buffer.from(`{"inputs":[${given.join(',')}],"outputs":[${asked.join(',')}]}`);
  if (!binary) return { body: json, headers: { 'content-type': 'application/json' } };
  const size = inputs.reduce((sum, [, tensor]) => sum + binarySize(tensor), 0);
  const body = new Uint8Array(json.length + size);
  body.set(json);
  let at = json.length;
  for (const [, tensor] of inputs) at = writeBinary(tensor, body, at);
  return {
    body,
    headers: { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(json.length) },
  };
}

/** The outputs of an answer. Throws REMOTE_ANSWER when it is none. */
export function decodeAnswer(
  body: Uint8Array,
  jsonBytes: number | undefined,
): Readonly<Record<string, Tensor>> {
  const end = jsonBytes ?? body.length;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body.subarray(0, end));
    const value = JSON.parse(parseJson(text).text, exactIntegers) as { outputs?: unknown };
    // Outputs are written like inputs.
    return readRequest(bodyOf({ inputs: value.outputs }, '', body.subarray(end))).inputs;
  } catch (error) {
    throw new GatewayError(
      'REMOTE_ANSWER',
      `no answer of the protocol: ${(error as Error).message.slice(0, 200)}`,
      {
        cause: error,
      },
    );
  }
}

/** Integers beyond 2^53 as bigint, from their text (JSON.parse source text access). */
function exactIntegers(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  const large = typeof value === 'number' && Number.isFinite(value) && !Number.isSafeInteger(value);
  return large && /^-?\d{1,20}$/.test(context?.source ?? '') ? BigInt(context!.source!) : value;
}

/** Inputs and outputs of a model as its server tells them. Throws REMOTE_ANSWER when it tells none. */
export function readMetadata(body: Uint8Array): { inputs: TensorSpec[]; outputs: TensorSpec[] } {
  const value = objectOf(body) as { inputs?: unknown; outputs?: unknown };
  return { inputs: specsOf(value.inputs, 'inputs'), outputs: specsOf(value.outputs, 'outputs') };
}

/** Names of the extensions that a server offers. */
export function readExtensions(body: Uint8Array): readonly string[] {
  const { extensions } = objectOf(body) as { extensions?: unknown };
  return Array.isArray(extensions) ? extensions.filter((one) => typeof one === 'string') : [];
}

/** The text of an error body, as KServe and Triton write it: `{"error": "…"}`. */
export function errorText(body: Uint8Array): string {
  const text = new TextDecoder().decode(body.subarray(0, 4096));
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === 'string') return error.slice(0, 300);
    const { message } = (error ?? {}) as { message?: unknown };
    if (typeof message === 'string') return message.slice(0, 300);
  } catch {
    // Not JSON: a proxy's page, told as it is.
  }
  return text.replace(/\s+/g, ' ').slice(0, 200);
}

function objectOf(body: Uint8Array): object {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Told below, whatever it was.
  }
  throw new GatewayError('REMOTE_ANSWER', `no JSON object: ${errorText(body)}`);
}

function specsOf(list: unknown, key: string): TensorSpec[] {
  if (!Array.isArray(list)) throw new GatewayError('REMOTE_ANSWER', `the metadata has no ${key}`);
  return list.map((entry, i) => {
    const { name, datatype, shape } = entry as Partial<Record<string, unknown>>;
    if (typeof name !== 'string' || !isDatatype(datatype) || !Array.isArray(shape))
      throw new GatewayError('REMOTE_ANSWER', `${key}[${i}] of the metadata is no tensor`);
    return { name, datatype, shape: shape.map((d) => (Number.isSafeInteger(d) && d >= 0 ? d : -1)) };
  });
}
