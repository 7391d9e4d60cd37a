import { GatewayProblem } from './errors.ts';
import type { Tensor, TensorSpec } from './tensors.ts';

/** What `GET /v2/models/<model>` says. */
export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly parameters?: { readonly max_batch_size?: number; readonly sequence?: boolean };
}

export interface InferRequest {
  readonly id: string;
  readonly model: string;
  /** Empty: the one that is live. */
  readonly version: string;
  readonly inputs: readonly Tensor[];
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Milliseconds from now. */
  readonly deadlineMs: number;
}

export interface InferAnswer {
  readonly id: string;
  readonly model: string;
  readonly version: string;
  readonly outputs: readonly Tensor[];
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Where the use is billed, as the gateway says it. */
  readonly receipt: unknown;
}

/** How a request is answered: once, with an error or an answer. */
export type Answered = (error: Error | null, answer?: InferAnswer) => void;

/** A request as it is sent: JSON, and behind it what JSON cannot hold. */
export interface RequestBody {
  readonly body: Buffer;
  /** Length of the JSON; absent when nothing follows it. */
  readonly headerBytes?: number;
}

/** Writes a request; buffers go as binary tensors behind the JSON. @param extra parameters of the door, such as `reply_to` */
export function requestBody(
  request: InferRequest,
  extra: Readonly<Record<string, unknown>> = {},
): RequestBody {
  const { id, parameters, deadlineMs } = request;
  const binary: Buffer[] = [];
  const inputs = request.inputs.map((input) => {
    if (!input.data.some((item) => Buffer.isBuffer(item))) return input;
    const { data, ...rest } = input;
    const bytes = Buffer.concat(data.flatMap(sized));
    binary.push(bytes);
    return { ...rest, parameters: { binary_data_size: bytes.length } };
  });
  const text = JSON.stringify({
    id,
    inputs,
    parameters: { ...parameters, deadline_ms: deadlineMs, ...extra },
  });
  const json = Buffer.from(text);
  return binary.length === 0
    ? { body: json }
    : { body: Buffer.concat([json, ...binary]), headerBytes: json.length };
}

/** An element of BYTES: its length in four bytes, little-endian, and itself (binary tensor data extension). */
function sized(item: unknown): Buffer[] {
  const bytes = Buffer.isBuffer(item) ? item : Buffer.from(String(item));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return [length, bytes];
}

interface AnswerText {
  readonly id?: unknown;
  readonly error?: { readonly code?: unknown; readonly message?: unknown };
  readonly model_name?: unknown;
  readonly model_version?: unknown;
  readonly outputs?: readonly Tensor[];
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly receipt?: unknown;
}

/** Reads an answer of a gateway; `NaN` and infinities, which JSON lacks, are taken. @throws SyntaxError */
export function readAnswer(body: Buffer): AnswerText {
  const text = body.toString('utf8');
  try {
    return JSON.parse(text) as AnswerText;
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    const plain = text.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (token) =>
      token.startsWith('"') ? token : token === 'NaN' ? 'null' : `${token.startsWith('-') ? '-' : ''}1e999`,
    );
    return JSON.parse(plain) as AnswerText;
  }
}

/** @throws GatewayProblem what the gateway refused */
export function answerOf(text: AnswerText): InferAnswer {
  const { error, id, model_name, model_version, outputs, parameters, receipt } = text;
  if (error) throw new GatewayProblem(String(error.code ?? 'ERROR'), String(error.message ?? 'refused'));
  if (!Array.isArray(outputs)) throw new GatewayProblem('ANSWER', 'the answer has no outputs');
  return {
    id: String(id ?? ''),
    model: String(model_name ?? ''),
    version: String(model_version ?? ''),
    outputs,
    parameters: parameters ?? {},
    receipt: receipt ?? null,
  };
}
