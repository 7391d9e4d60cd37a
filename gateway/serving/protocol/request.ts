import type { Tensor } from '../../ports/tensor.ts';
import { DATATYPES, elementsOf, isDatatype } from './datatypes.ts';
import { invalid } from './invalid.ts';
import { numbersAsWritten, objectBytes, parseJson } from './json-text.ts';
import { flag, type Members, membersOf, type RequestParameters, readParameters } from './parameters.ts';
import { dataFromBytes } from './tensor-binary.ts';
import { dataFromJson } from './tensor-json.ts';

/** An output that was asked for by name. */
export interface RequestedOutput {
  readonly name: string;
  /** As bytes behind the JSON of the answer. */
  readonly binary: boolean;
  /** Classification extension: the best so many classes in place of the values; 0 without it. */
  readonly classes: number;
}

/** A request of the Open Inference Protocol v2. */
export interface InferRequest {
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Absent: all of the model. */
  readonly outputs: readonly RequestedOutput[] | undefined;
  readonly parameters: RequestParameters;
}

/** A request whose JSON has been parsed: its id can be told, whatever is wrong with the rest. */
export interface ParsedBody {
  readonly members: Members;
  readonly id: string | undefined;
  /** What follows the JSON. */
  readonly binary: Uint8Array;
  readonly text: string;
}

const MAX_ID = 512;
const MAX_INPUTS = 1024;
const MAX_RANK = 32;

/**
 * Reads the JSON of a request.
 * @param headerBytes how long it is, when binary tensors follow; when it is not known, the JSON ends at its last brace
 * @throws GatewayError REQUEST_INVALID
 */
export function parseBody(body: Uint8Array, headerBytes: number | undefined): ParsedBody {
  if (headerBytes !== undefined && (!Number.isSafeInteger(headerBytes) || headerBytes < 0))
    throw invalid('Inference-Header-Content-Length must be a number of bytes');
  if (headerBytes !== undefined && headerBytes > body.length)
    throw invalid(`Inference-Header-Content-Length is ${headerBytes}, the body has ${body.length} bytes`);
  if (headerBytes !== undefined) return parsed(body, headerBytes);
  try {
    return parsed(body, body.length);
  } catch (error) {
    const end = objectBytes(body);
    if (end < 0 || end === body.length) throw error;
    return parsed(body, end);
  }
}

function parsed(body: Uint8Array, headerBytes: number): ParsedBody {
  let json: ReturnType<typeof parseJson>;
  try {
    json = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(body.subarray(0, headerBytes)));
  } catch (error) {
    throw invalid(`the request is no JSON: ${(error as Error).message.slice(0, 200)}`);
  }
  return bodyOf(json.value, json.text, body.subarray(headerBytes));
}

/** The body behind an object of whatever encoding. */
export function bodyOf(value: unknown, text: string, binary: Uint8Array): ParsedBody {
  const members = membersOf(value, 'the request');
  const { id } = members;
  if (id === undefined || id === null || id === '') return { members, id: undefined, binary, text };
  if (typeof id !== 'string' && !Number.isSafeInteger(id)) throw invalid('id must be a string');
  const name = String(id);
  if (name.length > MAX_ID) throw invalid(`id is longer than ${MAX_ID} characters`);
  return { members, id: name, binary, text };
}

/** @throws GatewayError REQUEST_INVALID */
export function readRequest({ members, binary, text }: ParsedBody): InferRequest {
  const parameters = readParameters(members.parameters);
  const list = members.inputs;
  if (!Array.isArray(list)) throw invalid('inputs must be an array of tensors');
  if (list.length > MAX_INPUTS) throw invalid(`more than ${MAX_INPUTS} inputs`);
  const inputs: Record<string, Tensor> = Object.create(null) as Record<string, Tensor>;
  let at = 0;
  list.forEach((value, index) => {
    const input = membersOf(value, `inputs[${index}]`);
    const name = nameOf(input, `inputs[${index}]`);
    if (name in inputs) throw invalid(`input "${name}" is given twice`);
    const size = binarySizeOf(input, name);
    if (size !== undefined && at + size > binary.length)
      throw invalid(`input "${name}": ${binary.length - at} bytes are left, binary_data_size is ${size}`);
    const bytes = size === undefined ? undefined : binary.subarray(at, at + size);
    inputs[name] = tensorOf(name, input, bytes, () =>
      text === '' ? plainNumbers(input.data) : numbersAsWritten(text, index),
    );
    at += size ?? 0;
  });
  if (at !== binary.length)
    throw invalid(`${binary.length - at} bytes behind the request belong to no input (binary_data_size)`);
  return { inputs, outputs: outputsOf(members.outputs, parameters.binaryOutput), parameters };
}

function nameOf({ name }: Members, where: string): string {
  if (typeof name !== 'string' || name === '') throw invalid(`${where}.name must be a string`);
  return name;
}

function binarySizeOf({ parameters }: Members, name: string): number | undefined {
  if (parameters === undefined || parameters === null) return undefined;
  const given = membersOf(parameters, `input "${name}": parameters`);
  refuseSharedMemory(given, `input "${name}"`);
  const size = given.binary_data_size;
  if (size === undefined) return undefined;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`input "${name}": binary_data_size must be a number of bytes`);
  return size;
}

function refuseSharedMemory(parameters: Members, where: string): void {
  if (parameters.shared_memory_region !== undefined) throw invalid(`${where}: shared memory is not offered`);
}

function tensorOf(
  name: string,
  { datatype, shape, data }: Members,
  bytes: Uint8Array | undefined,
  written: () => readonly string[],
): Tensor {
  if (!isDatatype(datatype))
    throw invalid(`input "${name}": datatype must be one of ${DATATYPES.join(', ')}`);
  if (!Array.isArray(shape) || shape.length > MAX_RANK)
    throw invalid(`input "${name}": shape must be an array of at most ${MAX_RANK} sizes`);
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0)
      throw invalid(`input "${name}": shape must hold whole numbers of at least 0`);
  }
  const count = elementsOf(shape);
  if (bytes) {
    if (data !== undefined) throw invalid(`input "${name}" has data and binary_data_size`);
    return { datatype, shape, data: dataFromBytes(name, datatype, count, bytes) };
  }
  if (data === undefined) throw invalid(`input "${name}" has no data`);
  // Before anything of that size is allocated: what was sent bounds how many elements there can be.
  const sent = leaves(data, 0);
  if (sent !== count) throw invalid(`input "${name}": the shape has ${count} elements, data has ${sent}`);
  return { datatype, shape, data: dataFromJson(name, datatype, count, data, written) };
}

/** The numbers of data that came in another encoding than JSON text, and with all their digits. */
const plainNumbers = (data: unknown): string[] =>
  (ArrayBuffer.isView(data)
    ? Array.from(data as unknown as Iterable<unknown>)
    : (data as unknown[]).flat(64)
  ).map(String);

/** How many values an array of arrays holds. */
function leaves(data: unknown, depth: number): number {
  if (ArrayBuffer.isView(data)) return (data as Uint8Array).length;
  if (!Array.isArray(data) || depth > 64) return 1;
  if (!Array.isArray(data[0])) {
    const nested = data.some((value) => Array.isArray(value));
    if (!nested) return data.length;
  }
  let count = 0;
  for (const value of data) count += Array.isArray(value) ? leaves(value, depth + 1) : 1;
  return count;
}

function outputsOf(value: unknown, binaryDefault: boolean): RequestedOutput[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw invalid('outputs must be an array');
  if (value.length === 0) return undefined;
  if (value.length > MAX_INPUTS) throw invalid(`more than ${MAX_INPUTS} outputs`);
  const seen = new Set<string>();
  return value.map((one, index) => {
    const output = membersOf(one, `outputs[${index}]`);
    const name = nameOf(output, `outputs[${index}]`);
    if (seen.has(name)) throw invalid(`output "${name}" is asked for twice`);
    seen.add(name);
    const given = membersOf(output.parameters ?? {}, `output "${name}": parameters`);
    refuseSharedMemory(given, `output "${name}"`);
    const asked = given.binary_data;
    return {
      name,
      binary: asked === undefined ? binaryDefault : flag(asked, 'binary_data'),
      classes: classesOf(given.classification, name),
    };
  });
}

function classesOf(value: unknown, name: string): number {
  if (value === undefined) return 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw invalid(`output "${name}": classification must be a number of classes`);
  return value;
}
