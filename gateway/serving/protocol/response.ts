import type { ModelIdentity } from '../../ports/inference.ts';
import type { Tensor } from '../../ports/tensor.ts';
import { classified } from './classification.ts';
import { invalid } from './invalid.ts';
import type { InferRequest, RequestedOutput } from './request.ts';
import { binarySize, writeBinary } from './tensor-binary.ts';
import { jsonOfData } from './tensor-json.ts';

/** An answer as it goes over the wire. */
export interface EncodedBody {
  readonly body: Uint8Array;
  /** Length of the JSON, when binary tensors follow it. */
  readonly headerBytes: number | undefined;
}

export interface ResponseParts {
  readonly id: string;
  readonly model: ModelIdentity;
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Where the use is billed; absent: it is put in afterwards, see {@link withReceipt}. */
  readonly receipt: { readonly id: string; readonly account: string } | undefined;
}

/**
 * Encodes an answer in the order in which outputs were asked for, else in the model's.
 * @throws GatewayError REQUEST_INVALID for an output that the model does not have, REQUEST_BINARY
 */
export function encodeResponse(request: InferRequest, parts: ResponseParts): EncodedBody {
  const wanted: readonly RequestedOutput[] =
    request.outputs ??
    Object.keys(parts.outputs).map((name) => ({ name, binary: request.parameters.binaryOutput, classes: 0 }));
  const binary: Tensor[] = [];
  let bytes = 0;
  const outputs = wanted.map(({ name, binary: asBytes, classes }) => {
    const given = parts.outputs[name];
    if (!given) throw invalid(`${parts.model.name} has no output "${name}"`);
    const tensor = classes > 0 ? classified(name, given, classes) : given;
    const head = `{"name":${JSON.stringify(name)},"datatype":"${tensor.datatype}","shape":[${tensor.shape.join(',')}]`;
    if (!asBytes) return `${head},"data":${jsonOfData(name, tensor)}}`;
    const size = binarySize(tensor);
    bytes += size;
    binary.push(tensor);
    return `${head},"parameters":{"binary_data_size":${size}}}`;
  });
  const { id, model, receipt } = parts;
  const json = Buffer.from(
    `{"id":${JSON.stringify(id)},"model_name":${JSON.stringify(model.name)},` +
      `"model_version":${JSON.stringify(model.version)},"parameters":{"model_sha256":"${model.sha256}"},` +
      `"outputs":[${outputs.join(',')}]${receipt ? `,"receipt":${JSON.stringify(receipt)}` : ''}}`,
  );
  if (binary.length === 0) return { body: json, headerBytes: undefined };
  const body = new Uint8Array(json.length + bytes);
  body.set(json);
  let at = json.length;
  for (const tensor of binary) at = writeBinary(tensor, body, at);
  return { body, headerBytes: json.length };
}

/** Puts a receipt into an answer that has none, as its last member: without it, the answer is what the receipt commits to. */
export function withReceipt({ body, headerBytes }: EncodedBody, receipt: object): EncodedBody {
  const end = headerBytes ?? body.length;
  const member = Buffer.from(`,"receipt":${JSON.stringify(receipt)}}`);
  return {
    body: Buffer.concat([body.subarray(0, end - 1), member, body.subarray(end)]),
    headerBytes: headerBytes === undefined ? undefined : headerBytes - 1 + member.length,
  };
}
