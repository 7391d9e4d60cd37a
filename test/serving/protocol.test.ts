import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import type { Datatype } from '../../gateway/ports/tensor.ts';
import { parseBody, readRequest } from '../../gateway/serving/protocol/request.ts';
import { encodeResponse } from '../../gateway/serving/protocol/response.ts';
import { binaryOf, bytesOf, type Element, jsonOf, NUMERIC, nested } from './wire.ts';

const SEED = 20_261_122;
const RUNS = { seed: SEED, numRuns: 60 };

const MODEL = { name: 'm', version: '3', sha256: 'ab'.repeat(32) };
const RECEIPT = { id: 'r', account: 'consumer/c' };

const decode = (body: Uint8Array, headerBytes?: number) => readRequest(parseBody(body, headerBytes));
const text = (value: object | string): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof GatewayError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'none';
}

const one = (datatype: Datatype): fc.Arbitrary<Element> => {
  switch (datatype) {
    case 'BOOL':
      return fc.boolean();
    case 'UINT64':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case 'INT64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 'FP16':
      return fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => Math.f16round(value % 60_000));
    case 'FP32':
      return fc.float();
    case 'FP64':
      return fc.double();
    case 'BYTES':
      return fc.string({ unit: 'binary' });
    default: {
      const bits = Number(/\d+$/.exec(datatype)![0]);
      const signed = datatype.startsWith('I');
      return fc.integer({ min: signed ? -(2 ** (bits - 1)) : 0, max: 2 ** (signed ? bits - 1 : bits) - 1 });
    }
  }
};

const tensor = fc.constantFrom(...NUMERIC, 'BYTES' as const).chain((datatype) =>
  fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }).chain((shape) => {
    const count = shape.reduce((product, size) => product * size, 1);
    return fc.record({
      datatype: fc.constant(datatype),
      shape: fc.constant(shape),
      elements: fc.array(one(datatype), { minLength: count, maxLength: count }),
      binary: fc.boolean(),
      flat: fc.boolean(),
    });
  }),
);

describe('requests and responses', () => {
  test('any tensors survive the way in and out, as JSON and as bytes', () => {
    fc.assert(
      fc.property(fc.array(tensor, { maxLength: 4 }), fc.boolean(), (tensors, known) => {
        const tails: Buffer[] = [];
        const inputs = tensors.map(({ datatype, shape, elements, binary, flat }, i) => {
          const head = `{"name":"t${i}","shape":[${shape.join(',')}],"datatype":"${datatype}"`;
          if (!binary) {
            const list = elements.map(jsonOf);
            return `${head},"data":${flat ? `[${list.join(',')}]` : nested(list, shape)}}`;
          }
          const tail = binaryOf(datatype, elements);
          tails.push(tail);
          return `${head},"parameters":{"binary_data_size":${tail.length}}}`;
        });
        const json = Buffer.from(`{"id":"x","inputs":[${inputs.join(',')}]}`);
        const body = Buffer.concat([json, ...tails]);
        const request = decode(body, known ? json.length : undefined);

        const outputs = encodeResponse(request, {
          id: 'x',
          model: MODEL,
          outputs: request.inputs,
          receipt: RECEIPT,
        });
        const again = JSON.parse(
          Buffer.from(outputs.body)
            .toString()
            .replaceAll(/\b-?(?:NaN|Infinity)\b/g, '0'),
        ) as { outputs: { name: string; datatype: string; shape: number[] }[] };
        expect(again.outputs.map(({ datatype, shape }) => ({ datatype, shape }))).toEqual(
          tensors.map(({ datatype, shape }) => ({ datatype, shape })),
        );
        // The answer's outputs are the next request's inputs: both ways lose nothing.
        const back = decode(text(Buffer.from(outputs.body).toString().replace('"outputs"', '"inputs"')));
        tensors.forEach(({ datatype, shape, elements }, i) => {
          const expected =
            datatype === 'BYTES'
              ? Buffer.concat(elements.map((value) => Buffer.from(value as string)))
              : binaryOf(datatype, elements);
          for (const side of [request, back]) {
            expect(side.inputs[`t${i}`]!.shape).toEqual(shape);
            expect(bytesOf(side.inputs[`t${i}`]!).equals(expected)).toBe(true);
          }
        });
      }),
      RUNS,
    );
  });

  test('outputs as binary data: one by one, or all', () => {
    const inputs = [
      { name: 'a', shape: [2], datatype: 'FP32', data: [1.5, -2] },
      { name: 'b', shape: [1, 2], datatype: 'BYTES', data: ['né', ''] },
    ];
    const answer = (more: object) => {
      const request = decode(text({ inputs, ...more }));
      const { body, headerBytes } = encodeResponse(request, {
        ...{ id: 'x', model: MODEL, outputs: request.inputs, receipt: RECEIPT },
      });
      const json = JSON.parse(Buffer.from(body).subarray(0, headerBytes).toString()) as {
        outputs: unknown[];
      };
      return {
        outputs: json.outputs,
        tail: Buffer.from(body)
          .subarray(headerBytes ?? body.length)
          .toString('hex'),
      };
    };
    expect(answer({ parameters: { binary_data_output: true } })).toEqual({
      outputs: [
        { name: 'a', datatype: 'FP32', shape: [2], parameters: { binary_data_size: 8 } },
        { name: 'b', datatype: 'BYTES', shape: [1, 2], parameters: { binary_data_size: 11 } },
      ],
      tail: '0000c03f000000c0030000006ec3a900000000',
    });
    expect(answer({ outputs: [{ name: 'b' }, { name: 'a', parameters: { binary_data: true } }] })).toEqual({
      outputs: [
        { name: 'b', datatype: 'BYTES', shape: [1, 2], data: ['né', ''] },
        { name: 'a', datatype: 'FP32', shape: [2], parameters: { binary_data_size: 8 } },
      ],
      tail: '0000c03f000000c0',
    });
  });

  test('numbers that JSON lacks: taken and written as Triton does', () => {
    const request = decode(
      text(
        '{"id":"NaN \\" Infinity","inputs":[{"name":"x","shape":[5],"datatype":"FP64","data":[NaN,Infinity,-Infinity,-0.0,null]}]}',
      ),
    );
    expect([...(request.inputs.x!.data as Float64Array)]).toEqual([
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      -0,
      Number.NaN,
    ]);
    const { body } = encodeResponse(request, {
      id: 'x',
      model: MODEL,
      outputs: request.inputs,
      receipt: RECEIPT,
    });
    expect(Buffer.from(body).toString()).toContain('"data":[NaN,Infinity,-Infinity,-0.0,NaN]');
  });

  test('64-bit integers keep every digit, also behind repeated keys and strings that look like data', () => {
    const { inputs } = decode(
      text(
        '{"inputs":[1],"id":"[{\\"data\\":[9]}]","inputs" : [ {"name":"a","shape":[1],"datatype":"BYTES","data":["9007199254740993"]},' +
          '{"data":[1],"name":"b", "shape":[2,2] ,"datatype":"INT64","d\\u0061ta": [ [9223372036854775807 , -9223372036854775808],[9007199254740993,1e3] ]},' +
          '{"name":"c","shape":[1],"datatype":"UINT64","data":[18446744073709551615]}]}',
      ),
    );
    expect([...(inputs.b!.data as BigInt64Array)]).toEqual([
      9223372036854775807n,
      -9223372036854775808n,
      9007199254740993n,
      1000n,
    ]);
    expect([...(inputs.c!.data as BigUint64Array)]).toEqual([18446744073709551615n]);
  });

  test('parameters', () => {
    const of = (parameters: object) => decode(text({ inputs: [], parameters })).parameters;
    expect(of({ deadline_ms: 250, priority: 2, reply_to: 'a/b', other: [1] })).toMatchObject({
      deadlineMs: 250,
      priority: 'bulk',
      replyTo: 'a/b',
      sequence: undefined,
    });
    expect(of({ timeout: 1500, priority: 1 })).toMatchObject({ deadlineMs: 1.5, priority: 'interactive' });
    expect(of({ timeout: 0, priority: 0 })).toMatchObject({ deadlineMs: undefined, priority: 'interactive' });
    expect(of({ sequence_id: 7, sequence_start: true })).toMatchObject({
      sequence: { id: '7', start: true, end: false },
    });
    expect(of({ sequence_id: 'press', sequence_end: true }).sequence).toEqual({
      ...{ id: 'press', start: false, end: true },
    });
    expect(of({ sequence_id: 0 }).sequence).toBeUndefined();
  });

  const X = { name: 'x', shape: [2], datatype: 'FP32', data: [1, 2] };
  test.each<[string, unknown]>([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['no inputs', {}],
    ['an input twice', { inputs: [X, X] }],
    ['too few elements', { inputs: [{ ...X, data: [1] }] }],
    ['too many elements', { inputs: [{ ...X, data: [[1, 2], [3]] }] }],
    ['text for numbers', { inputs: [{ ...X, data: ['1', '2'] }] }],
    ['a fraction for an integer', { inputs: [{ ...X, datatype: 'INT32', data: [1, 2.5] }] }],
    ['an integer out of range', { inputs: [{ ...X, datatype: 'UINT8', data: [1, 256] }] }],
    [
      'an integer beyond 64 bits',
      '{"inputs":[{"name":"x","shape":[1],"datatype":"INT64","data":[9223372036854775808]}]}',
    ],
    ['null for an integer', { inputs: [{ ...X, datatype: 'INT8', data: [null, 1] }] }],
    ['a number for BOOL', { inputs: [{ ...X, datatype: 'BOOL', data: [0, 2] }] }],
    ['a number for BYTES', { inputs: [{ ...X, datatype: 'BYTES', data: [0, 2] }] }],
    ['an unknown datatype', { inputs: [{ ...X, datatype: 'BF16' }] }],
    ['a negative size', { inputs: [{ ...X, shape: [-1] }] }],
    ['a shape of 4 GB', { inputs: [{ ...X, shape: [1_000_000, 1000] }] }],
    [
      'binary data that is not there',
      { inputs: [{ ...X, data: undefined, parameters: { binary_data_size: 8 } }] },
    ],
    ['shared memory', { inputs: [{ ...X, parameters: { shared_memory_region: 'r' } }] }],
    ['an output twice', { inputs: [X], outputs: [{ name: 'y' }, { name: 'y' }] }],
    ['a sequence without id', { inputs: [X], parameters: { sequence_start: true } }],
    ['an inexact sequence id', '{"inputs":[],"parameters":{"sequence_id":9007199254740993}}'],
    ['a deadline that is none', { inputs: [X], parameters: { deadline_ms: -1 } }],
    [
      'deep nesting',
      `{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":${'['.repeat(9000)}1${']'.repeat(9000)}}]}`,
    ],
    ['deep nesting of the whole', '['.repeat(100_000)],
  ])('%s is refused', (_what, body) => {
    expect(codeOf(() => decode(text(body as object)))).toMatch(/^REQUEST_INVALID: /);
  });

  test('bytes behind the request that nobody announced are refused', () => {
    const json = text({ inputs: [X] });
    const more = Buffer.concat([json, Buffer.from('xy')]);
    expect(codeOf(() => decode(more))).toContain('2 bytes behind the request');
    expect(codeOf(() => decode(json, json.length + 1))).toContain('Inference-Header-Content-Length');
    expect(codeOf(() => decode(json, Number.NaN))).toContain('Inference-Header-Content-Length');
  });

  test('nothing a client sends does anything but be read or be refused', () => {
    const seed = Buffer.from(
      '{"id":"1","parameters":{"priority":1,"sequence_id":5},"inputs":[{"name":"x","shape":[2,1],"datatype":"INT64",' +
        '"data":[[1],[2]]},{"name":"__proto__","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}],"outputs":[{"name":"y"}]}abcd',
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.option(fc.nat(seed.length), { nil: undefined }),
        fc.nat(seed.length),
        (changes, headerBytes, cut) => {
          const body = Buffer.from(seed);
          for (const [at, byte] of changes) body[at] = byte;
          expect(codeOf(() => decode(body.subarray(0, cut || seed.length), headerBytes))).toMatch(
            /^(?:none|REQUEST_INVALID: )/,
          );
        },
      ),
      { seed: SEED, numRuns: 600 },
    );
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (inputs) => {
        expect(codeOf(() => decode(text({ inputs, outputs: inputs, parameters: inputs })))).toMatch(
          /^(?:none|REQUEST_INVALID: )/,
        );
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test('classification: the largest values of each row', () => {
    const request = decode(
      text({
        inputs: [{ name: 'p', shape: [2, 3], datatype: 'FP32', data: [0.25, 0.5, 0.125, 3, 1, 3] }],
        outputs: [{ name: 'p', parameters: { classification: 2 } }],
      }),
    );
    const { body } = encodeResponse(request, {
      id: 'x',
      model: MODEL,
      outputs: request.inputs,
      receipt: RECEIPT,
    });
    const { outputs } = JSON.parse(Buffer.from(body).toString()) as { outputs: object[] };
    expect(outputs).toEqual([
      { name: 'p', datatype: 'BYTES', shape: [2, 2], data: ['0.5:1', '0.25:0', '3:0', '3:2'] },
    ]);
  });
});
